//! The server's process, as the kernel sees it.

use std::io;
use std::time::Duration;

use serde::Serialize;

/// A kernel's tick of processor time: always this on Linux, whatever its own timer.
const TICKS_A_SECOND: u64 = 100;

/// The server's memory in KiB: resident, so with what is shared and mapped.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Memory {
    /// Before the first client.
    pub before: u64,
    /// With all clients in their rooms, before anybody spoke.
    pub connected: u64,
    /// The most while messages were said.
    pub peak: u64,
    /// After the last message.
    pub after: u64,
}

/// A process of this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Process(pub(crate) u32);

impl Process {
    /// Its resident memory, in KiB.
    pub(crate) fn resident(self) -> io::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        resident(&status).ok_or_else(|| io::Error::other("no VmRSS"))
    }

    /// The processor time that it has used.
    pub(crate) fn processor(self) -> io::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        processor(&stat).ok_or_else(|| io::Error::other("no times"))
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn processor(stat: &str) -> Option<Duration> {
    // The name before it may have blanks and brackets.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis(
        (user + system) * 1_000 / TICKS_A_SECOND,
    ))
}

#[cfg(test)]
mod tests {
    use super::{Process, processor, resident};

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(
            resident("Name:\ta\nVmRSS:\t    1234 kB\nRssAnon:\t 1 kB\n"),
            Some(1_234)
        );
        assert_eq!(resident("Name:\ta\n"), None);
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 104 0 0 0 150 50 0 0 20 0 1 0 100 1 1";
        assert_eq!(processor(stat).map(|time| time.as_millis()), Some(2_000));
        let this = Process(std::process::id());
        assert!(this.resident().unwrap() > 0);
        this.processor().unwrap();
    }
}
