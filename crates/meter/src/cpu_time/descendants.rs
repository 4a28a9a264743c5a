//! CPU time of a process tree, from Linux's `/proc`.

use std::fs;

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use rustix::param::clock_ticks_per_second;

/// Time between two updates of the times in `/proc`, in seconds.
pub(super) fn tick_s() -> f64 {
    1.0 / clock_ticks_per_second() as f64
}

/// CPU time of all descendants of this process, in nanoseconds. It is exact to a microsecond for
/// those that have ended and were waited for, and to a tick of the kernel for the others.
///
/// A process is read before its children. So one that ends between the two readings is missed until
/// the next call, and never counted twice.
pub(super) fn descendants_ns() -> u64 {
    let waited_for = getrusage(UsageWho::RUSAGE_CHILDREN).map_or(0, |usage| {
        let time = usage.user_time() + usage.system_time();
        u64::try_from(time.num_microseconds()).unwrap_or(0) * 1000
    });
    let ticks: u64 = children("self").iter().map(|child| ticks(child)).sum();
    waited_for + (ticks as f64 * tick_s() * 1e9) as u64
}

/// Ticks of a process and of its descendants.
fn ticks(process: &str) -> u64 {
    // If it has ended by now, its parent has its time.
    let Ok(stat) = fs::read_to_string(format!("/proc/{process}/stat")) else { return 0 };
    let Some(times) = Times::parse(&stat) else { return 0 };
    let descendants: u64 = children(process).iter().map(|child| ticks(child)).sum();
    times.own + times.waited_for + descendants
}

fn children(process: &str) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return Vec::new() };
    threads
        .flatten()
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|pids| pids.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
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
        // The second field is the command's name in parentheses, which may hold any character.
        let (_, rest) = stat.rsplit_once(')')?;
        let mut fields = rest.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
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
