//! CPU time of this process and of the processes that it started.

#[cfg(target_os = "linux")]
mod descendants;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CPU time that this process has used, all threads together, in nanoseconds.
pub(crate) fn process_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time that this thread has used, in nanoseconds.
pub(crate) fn thread_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time that the descendants of this process have used, in nanoseconds; `None` on a system
/// other than Linux.
pub(crate) fn descendants_ns() -> Option<u64> {
    #[cfg(target_os = "linux")]
    return Some(descendants::descendants_ns());
    #[cfg(not(target_os = "linux"))]
    return None;
}

/// Time between two updates of [`descendants_ns`] and of `/proc/stat`, in seconds.
pub(crate) fn tick_s() -> f64 {
    #[cfg(target_os = "linux")]
    return descendants::tick_s();
    // POSIX's historical clock tick.
    #[cfg(not(target_os = "linux"))]
    return 0.01;
}

fn nanoseconds(time: Timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}
