//! How many cores of this machine the process may use, because two threads of one core share its
//! power.

use std::{collections::HashSet, fs, path::Path};

use crate::file::read_text;

/// The physical cores among the processors that are online and that this process may use, from
/// `<sysfs>/devices/system/cpu/cpu*/topology`; `None` if the kernel does not show them.
///
/// Threads of one core have the same list of siblings (Linux, Documentation/ABI/stable/sysfs-devices-
/// system-cpu: `core_cpus_list`, and `thread_siblings_list` before Linux 5.3).
pub(super) fn physical(sysfs: &Path) -> Option<usize> {
    let of = |sysfs: &Path| count(&sysfs.join("devices/system/cpu"), &allowed());
    // A folder that stands in for `/sys` may show sensors only.
    of(sysfs).or_else(|| of(Path::new("/sys")))
}

fn count(folder: &Path, allowed: &dyn Fn(usize) -> bool) -> Option<usize> {
    let cores: HashSet<String> = fs::read_dir(folder)
        .ok()?
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("cpu")?.parse().ok());
            number.is_some_and(allowed)
        })
        .filter_map(|entry| {
            let topology = entry.path().join("topology");
            let siblings = read_text(&topology.join("core_cpus_list"));
            siblings.or_else(|_| read_text(&topology.join("thread_siblings_list"))).ok()
        })
        .collect();
    (!cores.is_empty()).then_some(cores.len())
}

/// Whether this process, and what it starts, may run on a processor.
#[cfg(target_os = "linux")]
fn allowed() -> impl Fn(usize) -> bool {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let mask = sched_getaffinity(None).ok();
    move |cpu| cpu >= CpuSet::MAX_CPU || mask.as_ref().is_none_or(|mask| mask.is_set(cpu))
}

#[cfg(not(target_os = "linux"))]
fn allowed() -> impl Fn(usize) -> bool {
    |_| true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_of_a_core_are_one_core() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(count(folder.path(), &|_| true), None);
        // An EPYC 7742 lists its second threads after all first ones; a laptop's Core i7-1260P has
        // four cores with two threads and eight with one. Here: two of each kind.
        let listed = ["0,4", "1,5", "2", "3", "0,4", "1,5"];
        for (cpu, siblings) in listed.iter().enumerate() {
            let topology = folder.path().join(format!("cpu{cpu}/topology"));
            fs::create_dir_all(&topology).unwrap();
            let name = if cpu == 1 { "thread_siblings_list" } else { "core_cpus_list" };
            fs::write(topology.join(name), format!("{siblings}\n")).unwrap();
        }
        fs::create_dir(folder.path().join("cpufreq")).unwrap();
        fs::create_dir(folder.path().join("cpu9")).unwrap();
        assert_eq!(count(folder.path(), &|_| true), Some(4));
        // Bound to both threads of one core, as by `taskset -c 0,4`.
        assert_eq!(count(folder.path(), &|cpu| matches!(cpu, 0 | 4)), Some(1));
        assert_eq!(count(folder.path(), &|_| false), None);
    }
}
