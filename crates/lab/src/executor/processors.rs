//! Each worker on processors of its own.

use std::{collections::BTreeSet, fs, io, path::Path};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors this process may run on.
///
/// # Errors
///
/// If the system does not tell.
pub fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|it| set.is_set(*it)).collect())
}

/// Pins this thread, and all that it starts from now on.
///
/// # Errors
///
/// If there are no such processors.
pub fn pin(cpus: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &cpu in cpus.iter().filter(|it| **it < CpuSet::MAX_CPU) {
        set.set(cpu);
    }
    Ok(sched_setaffinity(None, &set)?)
}

/// Divides processors among workers: as evenly as they go, what is near together stays together (the
/// hardware threads of a core, the cores of a package); `None` if there are fewer than workers.
#[must_use]
pub fn shares(cpus: &[usize], workers: usize, sysfs: &Path) -> Option<Vec<Vec<usize>>> {
    // Whole cores, if there are enough of them.
    let mut cores: Vec<((u64, u64), Vec<usize>)> = Vec::new();
    for &cpu in &cpus.iter().copied().collect::<BTreeSet<_>>() {
        let place = place(cpu, sysfs);
        match cores.iter_mut().find(|it| it.0 == place) {
            Some((_, members)) => members.push(cpu),
            None => cores.push((place, vec![cpu])),
        }
    }
    cores.sort();
    let mut parts: Vec<Vec<usize>> = cores.into_iter().map(|it| it.1).collect();
    if parts.len() < workers {
        parts = parts.into_iter().flatten().map(|it| vec![it]).collect();
    }
    if workers == 0 || parts.len() < workers {
        return None;
    }
    let count = parts.len();
    let edge = |worker: usize| worker * count / workers;
    let share = |worker: usize| parts[edge(worker)..edge(worker + 1)].concat();
    Some((0..workers).map(share).collect())
}

/// Package and core of a processor; each its own core where the system does not tell.
fn place(cpu: usize, sysfs: &Path) -> (u64, u64) {
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
        // Only those that we may use.
        assert_eq!(shares(&[1, 3], 2).unwrap(), [vec![1], vec![3]]);
    }

    #[test]
    fn without_a_word_on_cores_each_processor_is_one() {
        let nowhere = Path::new("/nonexistent");
        assert_eq!(shares(&[0, 1, 2, 3], 2, nowhere).unwrap(), [vec![0, 1], vec![2, 3]]);
        assert_eq!(shares(&[0], 0, nowhere), None);
    }

    #[test]
    fn a_pinned_thread_runs_where_it_was_told() {
        // On a thread of its own: pinning holds for the thread and its children.
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
