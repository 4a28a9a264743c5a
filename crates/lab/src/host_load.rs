//! The load that other processes put on this machine while something is measured.

use std::{fs, time::Instant};

use rustix::time::{ClockId, clock_gettime};

/// The share of the processors above which the load of others disturbs a measurement.
pub(crate) const DISTURBED: f64 = 0.05;

/// The load of all other processes, since this was made.
pub(crate) struct HostLoad {
    start: Instant,
    own_s: f64,
    ticks: Option<Ticks>,
    /// The processors that count; empty: all of them.
    cpus: Vec<usize>,
}

/// Ticks of processors since boot, in the unit of `/proc/stat`.
#[derive(Clone, Copy)]
struct Ticks {
    busy: f64,
    all: f64,
    cpus: f64,
}

impl HostLoad {
    /// The load on all processors, from now on.
    pub(crate) fn watch() -> Self {
        Self::watch_on(&[])
    }

    /// The load on these processors, to which this process is pinned, from now on.
    pub(crate) fn watch_on(cpus: &[usize]) -> Self {
        let cpus = cpus.to_vec();
        Self { start: Instant::now(), own_s: own_s(), ticks: ticks(&cpus), cpus }
    }

    /// The share of the processors that other processes, the kernel and the hypervisor have used;
    /// `None` if the system does not say.
    pub(crate) fn share(&self) -> Option<f64> {
        let (before, now) = (self.ticks?, ticks(&self.cpus)?);
        let wall = self.start.elapsed().as_secs_f64();
        let busy = (now.busy - before.busy) / (now.all - before.all);
        let own = (own_s() - self.own_s) / (wall * now.cpus);
        Some((busy - own).max(0.0)).filter(|share| share.is_finite())
    }

    /// Whether that share is large enough to disturb a measurement.
    pub(crate) fn disturbed(&self) -> bool {
        self.share().is_some_and(|share| share > DISTURBED)
    }
}

/// CPU time of this process, in seconds.
fn own_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// The ticks in `/proc/stat`, proc_stat(5).
fn ticks(cpus: &[usize]) -> Option<Ticks> {
    parse(&fs::read_to_string("/proc/stat").ok()?, cpus)
}

/// The ticks of some processors; empty: of all of them.
fn parse(stat: &str, cpus: &[usize]) -> Option<Ticks> {
    let numbered = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    if cpus.is_empty() {
        let all = fields(stat.lines().find_map(|line| line.strip_prefix("cpu "))?)?;
        return Some(Ticks { cpus: stat.lines().filter(numbered).count() as f64, ..all });
    }
    let mut sum = Ticks { busy: 0.0, all: 0.0, cpus: cpus.len() as f64 };
    for cpu in cpus {
        let head = format!("cpu{cpu} ");
        let one = fields(stat.lines().find_map(|line| line.strip_prefix(&head))?)?;
        sum.busy += one.busy;
        sum.all += one.all;
    }
    Some(sum)
}

fn fields(line: &str) -> Option<Ticks> {
    let fields: Vec<f64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; user includes guests.
    let [user, nice, system, idle, iowait, irq, softirq, steal] =
        <[f64; 8]>::try_from(fields.get(..8)?).ok()?;
    let busy = user + nice + system + irq + softirq + steal;
    Some(Ticks { busy, all: busy + idle + iowait, cpus: 1.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_from_proc_stat() {
        let stat = "cpu  10 20 30 400 5 1 2 3 9 9\ncpu0 4 9 10 200 5 1 1 1 0 0\n\
                    cpu1 6 11 20 200 0 0 1 2 9 9\nintr 5\n";
        let all = parse(stat, &[]).unwrap();
        assert_eq!((all.busy, all.all, all.cpus), (66.0, 471.0, 2.0));
        let one = parse(stat, &[1]).unwrap();
        assert_eq!((one.busy, one.all, one.cpus), (40.0, 240.0, 1.0));
        let both = parse(stat, &[0, 1]).unwrap();
        assert_eq!((both.busy, both.all, both.cpus), (all.busy, all.all, all.cpus));
        assert!(parse("", &[]).is_none() && parse(stat, &[2]).is_none());
    }
}
