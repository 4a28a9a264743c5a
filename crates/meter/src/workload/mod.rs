//! Whose CPU time counts as the work that is measured, and how it is counted.

mod cgroup;
mod command_cgroup;
mod mounts;
mod orphans;
mod slurm;

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

pub use self::{
    cgroup::{Cgroup, CgroupError},
    mounts::{CgroupMounts, CgroupVersion},
    slurm::{JobError, SlurmJob},
};
use self::{command_cgroup::CommandCgroup, orphans::Orphans};
use crate::cpu_time::{
    self,
    family::Family,
    processes::{Processes as _, Procfs},
};

/// How the CPU time of a workload is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CpuAccounting {
    /// By the kernel, for all processes of a control group (version 2). It counts daemons, too.
    CgroupV2,
    /// By the kernel, for all processes of a control group (version 1, controller `cpuacct`).
    CgroupV1,
    /// By process. Processes whose parent ends become children of this one (`PR_SET_CHILD_SUBREAPER`
    /// of prctl(2)), so that daemons are counted, too.
    Subreaper,
    /// By process. A daemon is counted from the first reading that finds it below this process; one
    /// that leaves before it is not.
    ProcessTree,
}

impl CpuAccounting {
    /// The name in JSON and in tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::CgroupV2 => "cgroup-v2",
            Self::CgroupV1 => "cgroup-v1",
            Self::Subreaper => "subreaper",
            Self::ProcessTree => "process-tree",
        }
    }
}

/// Processes whose CPU time is counted. Clones are the same workload.
#[derive(Clone)]
pub struct Workload(Arc<Inner>);

struct Inner {
    kind: Kind,
    label: String,
    /// Why a better accounting is not used.
    instead: Option<String>,
    /// The highest value so far, for when a control group has disappeared.
    highest_ns: AtomicU64,
}

enum Kind {
    /// This process and all that it starts.
    Tree(Mutex<Tree>),
    /// The commands that this process starts, without this process.
    Orphans(Mutex<Tree>, Orphans),
    Command(CommandCgroup),
    Cgroups(Vec<Cgroup>),
}

struct Tree {
    family: Family,
    processes: Procfs,
}

impl Tree {
    fn new() -> Mutex<Self> {
        Mutex::new(Self { family: Family::default(), processes: Procfs::new() })
    }

    fn cpu_ns(&mut self) -> u64 {
        self.family.cpu_ns(&mut self.processes)
    }
}

/// A process that runs on after the command that started it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LeftProcess {
    /// Its id.
    pub pid: u32,
    /// Its name: at most 15 bytes of its program's.
    pub name: String,
}

impl fmt::Display for LeftProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (process {})", self.name, self.pid)
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workload")
            .field("label", &self.label())
            .field("accounting", &self.accounting())
            .finish_non_exhaustive()
    }
}

/// The name of a workload that is no control group.
const PROCESS: &str = "process";

impl Workload {
    fn new(kind: Kind, label: String, instead: Option<String>) -> Self {
        Self(Arc::new(Inner { kind, label, instead, highest_ns: AtomicU64::new(0) }))
    }

    /// This process and all that it starts.
    #[must_use]
    pub fn process_tree() -> Self {
        Self::new(Kind::Tree(Tree::new()), PROCESS.to_owned(), None)
    }

    /// The commands that this process starts from now on, and all that they start, daemons included.
    /// This process itself does not count.
    ///
    /// Until the last clone is dropped, this process is in a control group of its own below the one
    /// it was in, if that one was delegated to it and has no limits; [`CpuAccounting::CgroupV2`].
    /// Otherwise this process adopts the orphans among its descendants and waits for those that end;
    /// [`CpuAccounting::Subreaper`]. A program that also waits for unknown children (waitpid(-1))
    /// must not use this.
    #[must_use]
    pub fn commands() -> Self {
        match CommandCgroup::make() {
            Ok(cgroup) => Self::new(Kind::Command(cgroup), PROCESS.to_owned(), None),
            Err(reason) => Self::adopting(Some(reason)),
        }
    }

    /// As [`Workload::commands`], by a control group only.
    ///
    /// # Errors
    ///
    /// The reason why none can be used.
    pub fn commands_in_cgroup() -> Result<Self, String> {
        let cgroup = CommandCgroup::make()?;
        Ok(Self::new(Kind::Command(cgroup), PROCESS.to_owned(), None))
    }

    /// As [`Workload::commands`], without a control group.
    #[must_use]
    pub fn commands_by_process() -> Self {
        Self::adopting(None)
    }

    fn adopting(instead: Option<String>) -> Self {
        match Orphans::adopt() {
            Ok(orphans) => {
                Self::new(Kind::Orphans(Tree::new(), orphans), PROCESS.to_owned(), instead)
            }
            Err(error) => {
                let reason = format!("orphans cannot be adopted: {error}");
                let instead =
                    instead.map_or_else(|| reason.clone(), |text| format!("{text}; {reason}"));
                Self::new(Kind::Tree(Tree::new()), PROCESS.to_owned(), Some(instead))
            }
        }
    }

    /// The processes of control groups that others have made, such as a container or a Slurm job.
    /// `label` names them in reports.
    #[must_use]
    pub fn cgroups(cgroups: Vec<Cgroup>, label: &str) -> Self {
        Self::new(Kind::Cgroups(cgroups), label.to_owned(), None)
    }

    /// How its CPU time is counted.
    #[must_use]
    pub fn accounting(&self) -> CpuAccounting {
        match &self.0.kind {
            Kind::Tree(_) => CpuAccounting::ProcessTree,
            Kind::Orphans(..) => CpuAccounting::Subreaper,
            Kind::Command(_) => CpuAccounting::CgroupV2,
            Kind::Cgroups(cgroups) => match cgroups.first().map(Cgroup::version) {
                Some(CgroupVersion::V1) => CpuAccounting::CgroupV1,
                _ => CpuAccounting::CgroupV2,
            },
        }
    }

    /// Why [`CpuAccounting::CgroupV2`] is not used, if it is not.
    #[must_use]
    pub fn instead(&self) -> Option<&str> {
        self.0.instead.as_deref()
    }

    /// Its name in reports: `process`, or the control group's.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// What counts, in words.
    #[must_use]
    pub fn description(&self) -> String {
        match &self.0.kind {
            Kind::Tree(_) => "CPU time of this process and its children".to_owned(),
            Kind::Orphans(..) | Kind::Command(_) => {
                "CPU time of the command and all that it starts".to_owned()
            }
            Kind::Cgroups(_) => format!("CPU time of `{}`", self.0.label),
        }
    }

    /// CPU time up to now, in nanoseconds; `None` if it cannot be read and never could.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        let now = match &self.0.kind {
            Kind::Tree(tree) => Some(cpu_time::process_ns() + lock(tree).cpu_ns()),
            Kind::Orphans(tree, _) => Some(lock(tree).cpu_ns()),
            Kind::Command(cgroup) => cgroup.cpu_ns(),
            Kind::Cgroups(cgroups) => {
                // A group that has disappeared stays at its last value.
                let total: u64 = cgroups.iter().filter_map(Cgroup::latest_cpu_ns).sum();
                cgroups.iter().any(|cgroup| cgroup.latest_cpu_ns().is_some()).then_some(total)
            }
        };
        let highest = self.0.highest_ns.fetch_max(now.unwrap_or(0), Ordering::Relaxed);
        match now {
            Some(now) => Some(now.max(highest)),
            None => (highest > 0).then_some(highest),
        }
    }

    /// Looks at the processes between readings, so that none ends unseen: about ten times a second.
    pub(crate) fn follow(&self) {
        if let Kind::Orphans(tree, orphans) = &self.0.kind {
            let mut tree = lock(tree);
            tree.cpu_ns();
            orphans.wait_for(tree.family.ended_children());
        }
    }

    /// The children of this process that run now, such as plugins, do not count from here on.
    pub(crate) fn exclude_running(&self) {
        match &self.0.kind {
            Kind::Tree(tree) | Kind::Orphans(tree, _) => {
                let tree = &mut *lock(tree);
                tree.family.exclude_running(&mut tree.processes);
            }
            Kind::Command(cgroup) => cgroup.exclude_running(),
            Kind::Cgroups(_) => {}
        }
    }

    /// Processes of commands that run on, although the commands have ended. Empty for
    /// [`Workload::process_tree`] and for control groups of others.
    #[must_use]
    pub fn left(&self) -> Vec<LeftProcess> {
        let pids: Vec<u32> = match &self.0.kind {
            Kind::Tree(_) | Kind::Cgroups(_) => Vec::new(),
            Kind::Orphans(tree, _) => {
                let mut tree = lock(tree);
                tree.cpu_ns();
                tree.family.running().collect()
            }
            Kind::Command(cgroup) => cgroup.others(),
        };
        let processes = Procfs::new();
        let running = |pid: &u32| processes.process(*pid).is_some_and(|process| !process.ended);
        let mut left: Vec<LeftProcess> = pids
            .into_iter()
            .filter(running)
            .map(|pid| {
                let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
                let name = String::from_utf8_lossy(&name).trim_end().to_owned();
                LeftProcess { pid, name }
            })
            .collect();
        left.sort_by_key(|process| process.pid);
        left
    }

    /// Leaves and removes the control group of [`Workload::commands`], if there is one, without
    /// waiting for the last clone to be dropped. CPU time stays at its last value.
    pub fn close(&self) {
        if let Kind::Command(cgroup) = &self.0.kind {
            cgroup.leave();
        }
    }

    /// Whether none of its processes is left; `None` if that is not known.
    #[must_use]
    pub fn is_empty(&self) -> Option<bool> {
        match &self.0.kind {
            Kind::Cgroups(cgroups) => {
                let populated: Option<Vec<bool>> = cgroups.iter().map(Cgroup::populated).collect();
                populated.map(|populated| !populated.contains(&true))
            }
            _ => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
