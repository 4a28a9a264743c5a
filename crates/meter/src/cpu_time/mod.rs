//! CPU time of this process and of others.

pub(crate) mod family;
pub(crate) mod processes;

use rustix::time::{ClockId, Timespec, clock_gettime};

/// CPU time that this process has used, all threads together, in nanoseconds.
pub(crate) fn process_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time that this thread has used, in nanoseconds.
pub(crate) fn thread_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// Time between two updates of the times in `/proc`, in seconds.
pub(crate) fn tick_s() -> f64 {
    #[cfg(target_os = "linux")]
    return 1.0 / rustix::param::clock_ticks_per_second() as f64;
    // POSIX's historical clock tick.
    #[cfg(not(target_os = "linux"))]
    return 0.01;
}

fn nanoseconds(time: Timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}
