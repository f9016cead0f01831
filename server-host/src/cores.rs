//! How many cores the process may use: those of its affinity, and no more than the quota of its cgroups pays for.

use std::fs;
use std::num::NonZeroUsize;
use std::thread;

/// As many workers as can be at work at once.
pub(crate) fn usable() -> NonZeroUsize {
    let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let quota = quota(&cgroups, |file| fs::read_to_string(file).ok());
    quota.map_or(cores, |quota| cores.min(quota))
}

/// Where cgroups are mounted; those of version 1 in a folder for each controller.
const MOUNT: &str = "/sys/fs/cgroup";

/// The cores that the strictest of all quotas pays for. `cgroups` is what `/proc/self/cgroup` says (cgroups(7)), `read` gives the text
/// of a file, if it is there.
///
/// A quota is of its cgroup and of all below it, so those above the process's are looked at too. In a container the path may be that
/// of the host, and the mount be the container's own cgroup: what is not there is passed over, up to the mount itself.
fn quota(cgroups: &str, read: impl Fn(&str) -> Option<String>) -> Option<NonZeroUsize> {
    let of_line = |line: &str| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let quotas = |mount: &str, of_folder: &dyn Fn(&str) -> Option<f64>| {
            let folders = folders(mount, path);
            folders
                .filter_map(|folder| of_folder(&folder))
                .reduce(f64::min)
        };
        if controllers.is_empty() {
            return quotas(MOUNT, &|folder| {
                version_2(&read(&format!("{folder}/cpu.max"))?)
            });
        }
        if !controllers.split(',').any(|one| one == "cpu") {
            return None;
        }
        let of_folder = |folder: &str| {
            let file = |name: &str| read(&format!("{folder}/cpu.cfs_{name}_us"));
            version_1(&file("quota")?, &file("period")?)
        };
        // The folder is called by the first of them, or by all.
        let mounts = ["cpu", controllers].map(|name| format!("{MOUNT}/{name}"));
        let of_mounts = mounts.iter().filter_map(|mount| quotas(mount, &of_folder));
        of_mounts.reduce(f64::min)
    };
    let cores = cgroups.lines().filter_map(of_line).reduce(f64::min)?;
    // A part of a core is not enough for one more worker: all of them would be stopped now and then, and with each its clients.
    NonZeroUsize::new((cores as usize).max(1))
}

/// The folder of a cgroup, and those above it, up to the mount.
fn folders<'a>(mount: &'a str, path: &'a str) -> impl Iterator<Item = String> + 'a {
    // One outside of the namespace is not to be seen.
    let path = if path.starts_with("/..") { "" } else { path };
    let above = |path: &&'a str| path.rsplit_once('/').map(|(above, _)| above);
    let paths = std::iter::successors(Some(path.trim_end_matches('/')), above);
    paths.map(move |path| format!("{mount}{path}"))
}

/// Of version 2, by the text of `cpu.max`: a quota or `max`, and the period, in microseconds.
fn version_2(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    ratio(words.next()?, words.next().unwrap_or("100000"))
}

/// Of version 1, by the texts of `cpu.cfs_quota_us`, where -1 is none, and `cpu.cfs_period_us`.
fn version_1(quota: &str, period: &str) -> Option<f64> {
    ratio(quota.trim(), period.trim())
}

fn ratio(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (u32, u32) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0).then(|| f64::from(quota) / f64::from(period))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cores of these cgroups, with these files.
    fn cores(cgroups: &str, files: &[(&str, &str)]) -> Option<usize> {
        let read = |wanted: &str| {
            let file = files
                .iter()
                .find(|(name, _)| format!("{MOUNT}/{name}") == wanted);
            file.map(|(_, text)| (*text).to_owned())
        };
        quota(cgroups, read).map(NonZeroUsize::get)
    }

    #[test]
    fn of_version_2() {
        for (text, expected) in [
            ("max 100000\n", None),
            ("200000 100000\n", Some(2)),
            ("250000 100000\n", Some(2)),
            ("1600000 100000", Some(16)),
            ("50000 50000\n", Some(1)),
            ("10000 100000\n", Some(1)),
            ("300000\n", Some(3)),
            ("", None),
            ("200000 0\n", None),
            ("-1 100000\n", None),
            ("two cores\n", None),
        ] {
            assert_eq!(cores("0::/\n", &[("cpu.max", text)]), expected, "{text:?}");
        }
    }

    #[test]
    fn of_version_1() {
        let cgroups = "5:memory:/a\n4:cpu,cpuacct:/a\n1:name=systemd:/a\n";
        for (quota, period, expected) in [
            ("-1\n", "100000\n", None),
            ("400000\n", "100000\n", Some(4)),
            ("150000\n", "100000\n", Some(1)),
            ("20000\n", "100000\n", Some(1)),
            ("400000\n", "", None),
        ] {
            for folder in ["cpu,cpuacct/a", "cpu/a", "cpu,cpuacct", "cpu"] {
                let quota_file = format!("{folder}/cpu.cfs_quota_us");
                let period_file = format!("{folder}/cpu.cfs_period_us");
                let files = [(&quota_file[..], quota), (&period_file[..], period)];
                assert_eq!(cores(cgroups, &files), expected, "{folder} {quota:?}");
            }
        }
        let memory = [
            ("memory/a/cpu.cfs_quota_us", "100000"),
            ("memory/a/cpu.cfs_period_us", "100000"),
        ];
        assert_eq!(cores(cgroups, &memory), None, "it is another controller's");
    }

    #[test]
    fn the_strictest_above_counts() {
        let cgroups = "0::/kubepods/pod/container\n";
        let files = [
            ("kubepods/pod/container/cpu.max", "max 100000"),
            ("kubepods/pod/cpu.max", "300000 100000"),
            ("kubepods/cpu.max", "800000 100000"),
        ];
        assert_eq!(cores(cgroups, &files), Some(3));
        assert_eq!(cores(cgroups, &[("cpu.max", "200000 100000")]), Some(2));
        let outside = "0::/../../other\n";
        assert_eq!(cores(outside, &[("cpu.max", "200000 100000")]), Some(2));
    }

    #[test]
    fn both_versions_may_be_there() {
        let cgroups = "1:cpu:/\n0::/\n";
        let files = [
            ("cpu/cpu.cfs_quota_us", "600000"),
            ("cpu/cpu.cfs_period_us", "100000"),
            ("cpu.max", "500000 100000"),
        ];
        assert_eq!(cores(cgroups, &files), Some(5));
        assert_eq!(cores("", &files), None);
    }

    #[test]
    fn a_quota_takes_no_core_that_there_is_not() {
        let cores = thread::available_parallelism().expect("it is known");
        assert!(usable() <= cores);
    }
}
