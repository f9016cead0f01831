//! What the kernel says of this process. What it does not say is left out.

use std::fs;

/// What the kernel says of this process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Process {
    /// Processor time, in seconds.
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) open_descriptors: Option<u64>,
    pub(crate) most_descriptors: Option<u64>,
}

impl Process {
    pub(crate) fn now() -> Self {
        Self {
            cpu_seconds: cpu_seconds(),
            resident_bytes: resident_bytes(),
            open_descriptors: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|all| all.count() as u64),
            most_descriptors: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        }
    }
}

/// Memory that is in use right now.
pub(crate) fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

fn cpu_seconds() -> Option<f64> {
    let times = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(times.tv_sec as f64 + times.tv_nsec as f64 / 1e9)
}
