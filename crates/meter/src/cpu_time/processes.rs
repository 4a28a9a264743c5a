//! What Linux's `/proc` says about processes.

use std::{collections::HashMap, fs, path::Path};

/// A process at the time of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its parent's id.
    pub(crate) parent: u32,
    /// When it started, in ticks since boot. With the id it names a process for good: ids are used
    /// again, after a process has ended and was waited for.
    pub(crate) started: u64,
    /// Whether it has ended, and nobody has waited for it yet. Its times can still be read.
    pub(crate) ended: bool,
    /// CPU time of its own.
    pub(crate) own_ns: u64,
    /// CPU time of the processes that it has waited for, and of those that they had waited for.
    pub(crate) waited_for_ns: u64,
}

impl Process {
    /// Parses `/proc/PID/stat` (proc_pid_stat(5)): fields 3, 4, 14 to 17 and 22. `tick_ns` is the
    /// length of the kernel's tick, in nanoseconds.
    pub(crate) fn parse(stat: &str, tick_ns: u64) -> Option<Self> {
        // The second field is the command's name in parentheses, which may hold any character.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The first of these fields is the third of the file.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        let nanoseconds = |a: u64, b: u64| a.saturating_add(b).saturating_mul(tick_ns);
        Some(Self {
            parent: u32::try_from(number(4)?).ok()?,
            started: number(22)?,
            ended: matches!(*fields.first()?, "Z" | "X" | "x"),
            own_ns: nanoseconds(number(14)?, number(15)?),
            waited_for_ns: nanoseconds(number(16)?, number(17)?),
        })
    }

    /// All CPU time that disappears from `/proc` when this process does.
    pub(crate) fn total_ns(&self) -> u64 {
        self.own_ns.saturating_add(self.waited_for_ns)
    }
}

/// The processes of a machine, as this process sees them.
pub(crate) trait Processes {
    /// Prepares for a pass over the processes.
    fn refresh(&mut self) {}

    /// This process's id.
    fn us(&self) -> u32;

    /// CPU time of the processes that this process has waited for.
    fn waited_for_by_us_ns(&self) -> u64;

    /// The children of a process, threads' children included.
    fn children(&self, pid: u32) -> Vec<u32>;

    /// The process with this id; `None` if no such process exists.
    fn process(&self, pid: u32) -> Option<Process>;
}

/// The processes in `/proc`.
#[derive(Debug)]
pub(crate) struct Procfs {
    tick_ns: u64,
    /// The children of each process, from the parents that all processes name. `None` if the kernel
    /// lists children itself (`/proc/PID/task/TID/children`, since Linux 3.5 with
    /// `CONFIG_PROC_CHILDREN`), which takes less time on a machine with many processes.
    by_parent: Option<HashMap<u32, Vec<u32>>>,
}

impl Procfs {
    pub(crate) fn new() -> Self {
        let listed = Path::new("/proc/thread-self/children").exists();
        let tick_ns = (super::tick_s() * 1e9).round() as u64;
        Self { tick_ns, by_parent: (!listed).then(HashMap::new) }
    }
}

impl Processes for Procfs {
    fn refresh(&mut self) {
        let Some(by_parent) = &mut self.by_parent else { return };
        by_parent.clear();
        let Ok(entries) = fs::read_dir("/proc") else { return };
        for entry in entries.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            if let Some(process) = read(pid, self.tick_ns) {
                by_parent.entry(process.parent).or_default().push(pid);
            }
        }
    }

    fn us(&self) -> u32 {
        std::process::id()
    }

    fn waited_for_by_us_ns(&self) -> u64 {
        waited_for_ns()
    }

    fn children(&self, pid: u32) -> Vec<u32> {
        match &self.by_parent {
            Some(by_parent) => by_parent.get(&pid).cloned().unwrap_or_default(),
            None => listed_children(pid),
        }
    }

    fn process(&self, pid: u32) -> Option<Process> {
        read(pid, self.tick_ns)
    }
}

fn read(pid: u32, tick_ns: u64) -> Option<Process> {
    // Not as text: a process may choose a name that is no UTF-8.
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    Process::parse(&String::from_utf8_lossy(&stat), tick_ns)
}

fn listed_children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|pids| {
            pids.split_whitespace().map_while(|pid| pid.parse().ok()).collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(target_os = "linux")]
fn waited_for_ns() -> u64 {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike,
    };
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| {
        let time = usage.user_time() + usage.system_time();
        u64::try_from(time.num_microseconds()).unwrap_or(0) * 1000
    })
}

#[cfg(not(target_os = "linux"))]
fn waited_for_ns() -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 555 0 0";
        let expected =
            Process { parent: 1, started: 555, ended: false, own_ns: 330, waited_for_ns: 770 };
        assert_eq!(Process::parse(stat, 10), Some(expected));
        assert_eq!(Process::parse("7 (cut) S 1 7", 10), None);
        let zombie = stat.replace(") S", ") Z");
        assert!(Process::parse(&zombie, 10).unwrap().ended);
    }

    #[test]
    fn this_process_is_found_by_both_ways() {
        let us = std::process::id();
        let mut all = Procfs { by_parent: Some(HashMap::new()), ..Procfs::new() };
        all.refresh();
        let this = all.process(us).unwrap();
        assert!(all.children(this.parent).contains(&us));
        assert!(this.started > 0 && !this.ended);
    }

    proptest! {
        #[test]
        fn any_text_is_a_process_or_none(text in "\\PC{0,80}", numbers in "[0-9 )(ZS-]{0,120}") {
            let _ = Process::parse(&text, 10_000_000);
            let _ = Process::parse(&format!("1 (x) {numbers}"), u64::MAX);
        }
    }
}
