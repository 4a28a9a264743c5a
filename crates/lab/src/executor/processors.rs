//! Assigns processors to workers.

use std::{collections::BTreeSet, fs, io, path::Path};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Numbers of the processors that this process may run on.
///
/// # Errors
///
/// If the operating system does not say.
pub(crate) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect())
}

/// Pins this thread, and all threads that it starts later, to some processors.
///
/// # Errors
///
/// If none of the processors exists or may be used.
pub(crate) fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|cpu| **cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Divides processors among workers as evenly as possible. The hardware threads of a core stay together
/// if there are enough cores, and the cores of a package are neighbors. `None` if there are fewer
/// processors than workers, or no workers.
#[must_use]
pub(crate) fn shares(cpus: &[usize], workers: usize, sysfs: &Path) -> Option<Vec<Vec<usize>>> {
    // Processors by package and core.
    let mut cores: Vec<((u64, u64), Vec<usize>)> = Vec::new();
    for &cpu in &cpus.iter().copied().collect::<BTreeSet<_>>() {
        let core = core_of(cpu, sysfs);
        match cores.iter_mut().find(|(known, _)| *known == core) {
            Some((_, members)) => members.push(cpu),
            None => cores.push((core, vec![cpu])),
        }
    }
    cores.sort();
    let mut parts: Vec<Vec<usize>> = cores.into_iter().map(|(_, members)| members).collect();
    if parts.len() < workers {
        parts = parts.into_iter().flatten().map(|cpu| vec![cpu]).collect();
    }
    if workers == 0 || parts.len() < workers {
        return None;
    }
    let count = parts.len();
    let edge = |worker: usize| worker * count / workers;
    let share = |worker: usize| parts[edge(worker)..edge(worker + 1)].concat();
    Some((0..workers).map(share).collect())
}

/// Package and core of a processor. Where the operating system does not say, each processor counts as
/// a core.
fn core_of(cpu: usize, sysfs: &Path) -> (u64, u64) {
    let folder = sysfs.join(format!("devices/system/cpu/cpu{cpu}/topology"));
    let number = |file: &str| fs::read_to_string(folder.join(file)).ok()?.trim().parse().ok();
    match (number("physical_package_id"), number("core_id")) {
        (Some(package), Some(core)) => (package, core),
        _ => (0, cpu as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two packages of two cores of two threads, numbered as Linux does: 0 and 4 are one core.
    fn machine() -> tempfile::TempDir {
        let sysfs = tempfile::tempdir().unwrap();
        for cpu in 0..8 {
            let folder = sysfs.path().join(format!("devices/system/cpu/cpu{cpu}/topology"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("physical_package_id"), format!("{}\n", cpu % 4 / 2)).unwrap();
            fs::write(folder.join("core_id"), format!("{}\n", cpu % 2)).unwrap();
        }
        sysfs
    }

    #[test]
    fn threads_of_a_core_and_cores_of_a_package_stay_together() {
        let sysfs = machine();
        let shares = |cpus: &[usize], workers| shares(cpus, workers, sysfs.path());
        let all: Vec<usize> = (0..8).collect();
        assert_eq!(shares(&all, 2).unwrap(), [vec![0, 4, 1, 5], vec![2, 6, 3, 7]]);
        assert_eq!(shares(&all, 3).unwrap(), [vec![0, 4], vec![1, 5], vec![2, 6, 3, 7]]);
        assert_eq!(shares(&all, 4).unwrap(), [vec![0, 4], vec![1, 5], vec![2, 6], vec![3, 7]]);
        // More workers than cores: threads.
        assert_eq!(shares(&all, 8).unwrap().concat().len(), 8);
        assert_eq!(shares(&all, 9), None);
        // Only the given processors are divided.
        assert_eq!(shares(&[1, 3], 2).unwrap(), [vec![1], vec![3]]);
    }

    #[test]
    fn without_a_topology_each_processor_counts_as_a_core() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(shares(&[0, 1, 2, 3], 2, nowhere).unwrap(), [vec![0, 1], vec![2, 3]]);
        assert_eq!(shares(&[0], 0, nowhere), None);
    }

    #[test]
    fn a_pinned_thread_may_run_on_its_processors_only() {
        // In a new thread, because pinning affects the thread and those it starts.
        std::thread::spawn(|| {
            let first = allowed().unwrap()[0];
            pin(&[first]).unwrap();
            assert_eq!(allowed().unwrap(), [first]);
            assert_eq!(std::thread::available_parallelism().unwrap().get(), 1);
        })
        .join()
        .unwrap();
    }
}
