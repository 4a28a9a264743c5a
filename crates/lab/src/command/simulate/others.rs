//! Whether the machine is ours while something is measured.

use std::{fs, time::Instant};

use rustix::time::{ClockId, clock_gettime};

/// A share of the processors above which others disturb a measurement.
pub(super) const DISTURBED: f64 = 0.05;

/// What others do from now on.
pub(super) struct Others {
    start: Instant,
    own_s: f64,
    ticks: Option<Ticks>,
}

/// The processors' ticks since boot, in the file's own unit.
#[derive(Clone, Copy)]
struct Ticks {
    busy: f64,
    all: f64,
    cpus: f64,
}

impl Others {
    pub(super) fn watch() -> Self {
        Self { start: Instant::now(), own_s: own_s(), ticks: ticks() }
    }

    /// The share of all processors that other processes, the kernel and the hypervisor have used;
    /// `None` where the system does not tell.
    pub(super) fn share(&self) -> Option<f64> {
        let (before, now) = (self.ticks?, ticks()?);
        let wall = self.start.elapsed().as_secs_f64();
        let busy = (now.busy - before.busy) / (now.all - before.all);
        let own = (own_s() - self.own_s) / (wall * now.cpus);
        Some((busy - own).max(0.0)).filter(|it| it.is_finite())
    }

    pub(super) fn disturbed(&self) -> bool {
        self.share().is_some_and(|it| it > DISTURBED)
    }
}

fn own_s() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// `/proc/stat`, proc_stat(5).
fn ticks() -> Option<Ticks> {
    parse(&fs::read_to_string("/proc/stat").ok()?)
}

fn parse(stat: &str) -> Option<Ticks> {
    let all = stat.lines().find_map(|it| it.strip_prefix("cpu "))?;
    let fields: Vec<f64> = all.split_whitespace().map_while(|it| it.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let [user, nice, system, idle, iowait, irq, softirq, steal] =
        <[f64; 8]>::try_from(fields.get(..8)?).ok()?;
    let busy = user + nice + system + irq + softirq + steal;
    let numbered = |it: &&str| {
        it.strip_prefix("cpu").is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()))
    };
    let cpus = stat.lines().filter(numbered).count() as f64;
    Some(Ticks { busy, all: busy + idle + iowait, cpus })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_from_the_kernels_file() {
        let ticks = parse("cpu  10 20 30 400 5 1 2 3 9 9\ncpu0 1 1\ncpu1 2 2\nintr 5\n").unwrap();
        assert_eq!((ticks.busy, ticks.all, ticks.cpus), (66.0, 471.0, 2.0));
        assert!(parse("").is_none());
    }
}
