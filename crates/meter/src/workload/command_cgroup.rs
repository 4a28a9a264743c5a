//! A control group for the commands that this process starts.
//!
//! A process is in the group of the process that started it, from its first instruction on. So this
//! process goes into the new group itself before it starts anything, and its own CPU time, which is
//! known exactly, is subtracted.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use super::{cgroup::Cgroup, mounts::CgroupMounts};
use crate::cpu_time;

/// The start of the names of such groups; this process's id follows.
const PREFIX: &str = "wattlab-";

/// A group that this process made and is in, until this is dropped.
#[derive(Debug)]
pub(super) struct CommandCgroup {
    cgroup: Cgroup,
    /// The group that this process was in.
    home: PathBuf,
    /// CPU time that this process had used when it entered the group.
    entered_ns: u64,
    left: AtomicBool,
}

impl CommandCgroup {
    /// Makes a group below this process's own and enters it.
    ///
    /// # Errors
    ///
    /// The reason why there can be none.
    pub(super) fn make() -> Result<Self, String> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let home = CgroupMounts::of_this_machine().folder_of(&own);
        let home = home.ok_or("no control groups of version 2 are mounted")?;
        may_divide(&home)?;
        remove_stale(&home);
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (pid, number) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = home.join(format!("{PREFIX}{pid}-{number}"));
        let fail = |what: &str, error: &io::Error| {
            format!("failed to {what} `{}`: {error}", path.display())
        };
        fs::create_dir(&path).map_err(|error| fail("make control group", &error))?;
        let entered = Cgroup::open(&path).map_err(|error| error.to_string()).and_then(|cgroup| {
            let entered_ns = cpu_time::process_ns();
            enter(&path, "0").map_err(|error| fail("enter control group", &error))?;
            Ok((cgroup, entered_ns))
        });
        match entered {
            Ok((cgroup, entered_ns)) => {
                Ok(Self { cgroup, home, entered_ns, left: AtomicBool::new(false) })
            }
            Err(reason) => {
                let _ = fs::remove_dir(&path);
                Err(reason)
            }
        }
    }

    /// CPU time of the commands, without this process.
    pub(super) fn cpu_ns(&self) -> Option<u64> {
        let own_ns = cpu_time::process_ns() - self.entered_ns;
        if self.left.load(Ordering::SeqCst) {
            return None;
        }
        Some(self.cgroup.cpu_ns()?.saturating_sub(own_ns))
    }

    /// The processes in it other than this one.
    pub(super) fn others(&self) -> Vec<u32> {
        let us = std::process::id();
        self.cgroup.processes().into_iter().filter(|pid| *pid != us).collect()
    }

    /// Takes out all other processes that are in it now.
    pub(super) fn exclude_running(&self) {
        for pid in self.others() {
            // It may have ended.
            let _ = enter(&self.home, &pid.to_string());
        }
    }
}

impl CommandCgroup {
    /// Takes all processes out of the group and removes it.
    pub(super) fn leave(&self) {
        if self.left.swap(true, Ordering::SeqCst) {
            return;
        }
        let _ = enter(&self.home, "0");
        // A process that starts others at this moment needs several rounds.
        for _ in 0..10 {
            self.exclude_running();
            let removed = fs::remove_dir(self.cgroup.path());
            if removed.is_ok() || !self.cgroup.path().exists() {
                return;
            }
        }
    }
}

impl Drop for CommandCgroup {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Moves a process, given as a text, with all its threads; "0" is this process.
fn enter(folder: &Path, pid: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(folder.join("cgroup.procs"))
        .and_then(|mut file| io::Write::write_all(&mut file, pid.as_bytes()))
}

/// Whether a new group below this one changes nothing for the processes in it.
fn may_divide(home: &Path) -> Result<(), String> {
    let read =
        |file: &str| fs::read_to_string(home.join(file)).unwrap_or_default().trim().to_owned();
    let controllers = read("cgroup.subtree_control");
    if !controllers.is_empty() {
        return Err(format!(
            "control group `{}` divides resources among the groups below it ({controllers})",
            home.display()
        ));
    }
    // A program that looks for its limits in its own group would not find these.
    let limits =
        [("memory.max", "max"), ("memory.high", "max"), ("cpu.max", "max"), ("cpuset.cpus", "")];
    for (file, without) in limits {
        let limit = read(file);
        if !limit.is_empty() && limit.split(' ').next() != Some(without) {
            return Err(format!(
                "control group `{}` has a limit ({file} is {limit})",
                home.display()
            ));
        }
    }
    if Path::new("/run/systemd/system").exists() && !delegated(home) {
        return Err(format!(
            "control group `{}` belongs to systemd (`systemd-run --user --scope --property \
             Delegate=yes` delegates one)",
            home.display()
        ));
    }
    Ok(())
}

/// Whether systemd has delegated this group or one above it: since version 251 it says so in an
/// extended attribute, for root also earlier.
#[cfg(target_os = "linux")]
fn delegated(home: &Path) -> bool {
    home.ancestors().any(|folder| {
        ["user.delegate", "trusted.delegate"].iter().any(|name| {
            let mut value = [0_u8; 8];
            let length = rustix::fs::getxattr(folder, *name, value.as_mut_slice()).unwrap_or(0);
            value.get(..length) == Some(b"1")
        })
    })
}

#[cfg(not(target_os = "linux"))]
fn delegated(_home: &Path) -> bool {
    false
}

/// Removes the groups of processes that were killed. A group with processes cannot be removed.
fn remove_stale(home: &Path) {
    let Ok(entries) = fs::read_dir(home) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split_once('-'));
        if let Some((pid, _)) = pid
            && pid.parse::<u32>().is_ok()
            && !Path::new("/proc").join(pid).exists()
        {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_with_limits_or_controllers_is_not_divided() {
        let folder = tempfile::tempdir().unwrap();
        let check = |file: &str, text: &str, expected: Option<&str>| {
            fs::write(folder.path().join(file), text).unwrap();
            let found = may_divide(folder.path());
            let on_systemd = Path::new("/run/systemd/system").exists();
            match expected {
                Some(part) => assert!(found.unwrap_err().contains(part), "{file}"),
                None if on_systemd => assert!(found.unwrap_err().contains("belongs to systemd")),
                None => assert_eq!(found, Ok(()), "{file}"),
            }
            fs::remove_file(folder.path().join(file)).unwrap();
        };
        check("cgroup.subtree_control", "\n", None);
        check("cgroup.subtree_control", "cpu memory\n", Some("(cpu memory)"));
        check("memory.max", "max\n", None);
        check("memory.max", "2147483648\n", Some("memory.max is 2147483648"));
        check("cpu.max", "max 100000\n", None);
        check("cpu.max", "150000 100000\n", Some("cpu.max is 150000 100000"));
        check("cpuset.cpus", "\n", None);
        check("cpuset.cpus", "0-3\n", Some("cpuset.cpus is 0-3"));
    }

    #[test]
    fn groups_of_ended_processes_are_removed_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let ours = format!("wattlab-{}-0", std::process::id());
        // No process has an id above 2²².
        for name in ["wattlab-4294967290-0", ours.as_str(), "wattlab-data", "other"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        remove_stale(folder.path());
        assert!(!folder.path().join("wattlab-4294967290-0").exists());
        assert!(folder.path().join(&ours).exists() && folder.path().join("wattlab-data").exists());
    }
}
