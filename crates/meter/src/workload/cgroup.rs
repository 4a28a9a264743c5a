//! The CPU time of a control group (cgroups(7)).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::mounts::{CgroupMounts, CgroupVersion};

/// Why a control group cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CgroupError {
    /// There is none.
    #[error(
        "control group `{}` does not exist (looked for {}); expected a folder below \
         `/sys/fs/cgroup`, or a path as in `/proc/PID/cgroup`",
        path.display(),
        listed(tried)
    )]
    NotFound {
        /// The path that was given.
        path: PathBuf,
        /// The folders that were looked for.
        tried: Vec<PathBuf>,
    },
    /// The folder does not tell the CPU time.
    #[error(
        "`{}` has no CPU time: expected `usage_usec` in `cpu.stat` (version 2), or \
         `cpuacct.usage` (version 1, below the mount of the controller `cpuacct`)",
        path.display()
    )]
    NoCpuTime {
        /// The folder.
        path: PathBuf,
    },
}

fn listed(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{}`", path.display())).collect();
    paths.join(", ")
}

/// A control group, with all groups below it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    version: CgroupVersion,
    /// CPU time at the last reading, for when the group has disappeared.
    latest_ns: AtomicU64,
}

impl Cgroup {
    /// A control group, given by its folder.
    ///
    /// # Errors
    ///
    /// [`CgroupError::NoCpuTime`] if the folder does not tell the CPU time.
    pub fn open(path: &Path) -> Result<Self, CgroupError> {
        let version = if usage_usec(path).is_some() {
            CgroupVersion::V2
        } else if cpuacct_ns(path).is_some() {
            CgroupVersion::V1
        } else {
            return Err(CgroupError::NoCpuTime { path: path.to_owned() });
        };
        let cgroup = Self { path: path.to_owned(), version, latest_ns: AtomicU64::new(0) };
        cgroup.latest_cpu_ns();
        Ok(cgroup)
    }

    /// A control group, given by its folder or by its path within a hierarchy, as in
    /// `/proc/PID/cgroup`.
    ///
    /// # Errors
    ///
    /// If there is no such group, or it does not tell the CPU time.
    pub fn find(path: &Path, mounts: &CgroupMounts) -> Result<Self, CgroupError> {
        let within = path.strip_prefix("/").unwrap_or(path);
        let folders = mounts.folders().map(|mount| mount.join(within));
        let tried: Vec<PathBuf> = std::iter::once(path.to_owned()).chain(folders).collect();
        let mut without = None;
        for folder in tried.iter().filter(|folder| folder.is_dir()) {
            match Self::open(folder) {
                Ok(cgroup) => return Ok(cgroup),
                Err(error) => without = without.or(Some(error)),
            }
        }
        Err(without.unwrap_or(CgroupError::NotFound { path: path.to_owned(), tried }))
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// CPU time of all processes that are or were in it, in nanoseconds; `None` if it cannot be read.
    pub(super) fn cpu_ns(&self) -> Option<u64> {
        match self.version {
            CgroupVersion::V1 => cpuacct_ns(&self.path),
            CgroupVersion::V2 => usage_usec(&self.path)?.checked_mul(1000),
        }
    }

    /// The same; if it cannot be read, what was read last.
    pub(super) fn latest_cpu_ns(&self) -> Option<u64> {
        match self.cpu_ns() {
            Some(now) => {
                let before = self.latest_ns.fetch_max(now, Ordering::Relaxed);
                Some(before.max(now))
            }
            None => Some(self.latest_ns.load(Ordering::Relaxed)).filter(|latest| *latest > 0),
        }
    }

    /// Whether processes are in it or below it; `None` if the kernel does not say.
    #[must_use]
    pub fn populated(&self) -> Option<bool> {
        if !self.path.is_dir() {
            return Some(false);
        }
        if let Ok(events) = fs::read_to_string(self.path.join("cgroup.events")) {
            return value(&events, "populated").map(|populated| populated > 0);
        }
        self.path.join("cgroup.procs").exists().then(|| !self.listed().is_empty())
    }

    /// The processes in it and below it that can be seen from here.
    pub(super) fn processes(&self) -> Vec<u32> {
        let mut found = self.listed();
        found.retain(|pid| *pid > 0);
        found
    }

    /// The processes in it and below it. 0 is one outside of this container.
    fn listed(&self) -> Vec<u32> {
        let mut found = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(text.lines().filter_map(|pid| pid.trim().parse::<u32>().ok()));
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            let below = entries.flatten();
            let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.extend(below.map(|entry| entry.path()));
        }
        found
    }
}

fn usage_usec(folder: &Path) -> Option<u64> {
    value(&fs::read_to_string(folder.join("cpu.stat")).ok()?, "usage_usec")
}

fn cpuacct_ns(folder: &Path) -> Option<u64> {
    fs::read_to_string(folder.join("cpuacct.usage")).ok()?.trim().parse().ok()
}

/// The number behind a key, in a file with a key and a number in each line.
fn value(text: &str, key: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `cpu.stat` of Linux 6.1 with the controller `cpu`.
    const CPU_STAT: &str = "usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n\
                            nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n";

    #[test]
    fn both_versions_are_read_and_the_last_value_outlives_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        fs::create_dir_all(&new).unwrap();
        fs::create_dir_all(old.join("job_1")).unwrap();
        fs::write(new.join("cpu.stat"), CPU_STAT).unwrap();
        fs::write(new.join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        // Version 1 has a `cpu.stat`, too, without any CPU time.
        fs::write(old.join("cpu.stat"), "nr_periods 0\nnr_throttled 0\n").unwrap();
        fs::write(old.join("cpuacct.usage"), "42000\n").unwrap();
        fs::write(old.join("cgroup.procs"), "").unwrap();
        fs::write(old.join("job_1/cgroup.procs"), "17\n18\n").unwrap();
        let (new, old) = (Cgroup::open(&new).unwrap(), Cgroup::open(&old).unwrap());
        assert_eq!((new.version(), new.cpu_ns()), (CgroupVersion::V2, Some(1_234_567_000)));
        assert_eq!((old.version(), old.cpu_ns()), (CgroupVersion::V1, Some(42_000)));
        assert_eq!((new.populated(), old.populated()), (Some(true), Some(true)));
        assert_eq!(old.processes(), [17, 18]);
        drop(folder);
        assert_eq!((new.latest_cpu_ns(), new.populated()), (Some(1_234_567_000), Some(false)));
    }

    #[test]
    fn a_folder_without_cpu_time_is_refused_with_what_was_expected() {
        let folder = tempfile::tempdir().unwrap();
        let mounts = CgroupMounts::below(folder.path());
        let missing = Cgroup::find(Path::new("/no/such"), &mounts).unwrap_err().to_string();
        assert!(missing.contains("`/no/such` does not exist"), "{missing}");
        let empty = Cgroup::find(folder.path(), &mounts).unwrap_err().to_string();
        assert!(empty.contains("has no CPU time: expected `usage_usec`"), "{empty}");
        fs::write(folder.path().join("cpu.stat"), "usage_usec -5\n").unwrap();
        assert!(Cgroup::open(folder.path()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_has_a_value_or_none(text in "\\PC{0,40}", lines in "([a-z_]{0,3} [0-9 -]{0,30}\n){0,5}") {
            let _ = (value(&text, "usage_usec"), value(&lines, "a"));
        }
    }
}
