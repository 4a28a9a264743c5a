//! CPU time of this process and, on request, of the processes it started.

use std::fs;

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use rustix::{
    param::clock_ticks_per_second,
    time::{ClockId, Timespec, clock_gettime},
};

/// CPU time of this process so far, all threads, in nanoseconds.
pub(crate) fn process_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
}

/// CPU time of this thread so far, in nanoseconds.
pub(crate) fn thread_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

fn nanoseconds(time: Timespec) -> u64 {
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}

/// Time between two updates of [`descendants_ns`], in seconds.
pub(crate) fn tick_s() -> f64 {
    1.0 / clock_ticks_per_second() as f64
}

/// CPU time of all descendants of this process in nanoseconds: of those that were waited for to the
/// microsecond, of the living in steps of the kernel's tick.
///
/// A process is read before its children: one that ends in between is missed until the next
/// reading, never counted twice.
pub(crate) fn descendants_ns() -> u64 {
    let waited_for = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| {
        let time = usage.user_time() + usage.system_time();
        u64::try_from(time.num_microseconds()).unwrap_or(0) * 1000
    });
    let ticks: u64 = children("self").iter().map(|it| of(it)).sum();
    waited_for + (ticks as f64 * tick_s() * 1e9) as u64
}

/// Ticks of a process and of its children.
fn of(process: &str) -> u64 {
    // It may be gone by now: its parent has its time then.
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return 0 };
    let Some(times) = Times::parse(&stat) else { return 0 };
    times.own + times.waited_for + children(process).iter().map(|it| of(it)).sum::<u64>()
}

fn children(process: &str) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|it| fs::read_to_string(it.path().join("children")).ok())
        .flat_map(|it| it.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Fields 14 to 17 of `/proc/PID/stat` (proc_pid_stat(5)), in ticks.
#[derive(Debug, PartialEq)]
struct Times {
    own: u64,
    waited_for: u64,
}

impl Times {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the command's name in parentheses, with whatever in it.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(11).map(|it| it.parse::<u64>().ok());
        let mut next = || fields.next().flatten();
        let own = next()? + next()?;
        Some(Self { own, waited_for: next()? + next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b) c) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 5 0 0";
        assert_eq!(Times::parse(stat), Some(Times { own: 33, waited_for: 77 }));
        assert_eq!(Times::parse("7 (cut) S 1 7"), None);
    }
}
