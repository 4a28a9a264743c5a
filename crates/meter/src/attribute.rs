//! Whose energy it is: a process tree's share of what the processor used.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{DomainEnergy, Energy, Joules, Origin, Seconds, Watts};

use crate::{cpu_time, idle::processor};

/// How the processor's measured energy divides; the three parts sum to `measured`.
///
/// What the processor draws when idle is nobody's; the rest is shared out by CPU time (user and
/// system, exited children included). That is a model, so the parts are
/// [`Origin::Estimated`]: two seconds of CPU time of equal length may well cost differently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribution {
    /// Of the processor's domains that are in the total.
    pub measured: Energy,
    /// This process and all that it started.
    pub process: Energy,
    /// What the processor would have used anyway; `None` without a baseline
    /// ([`crate::Meter::idle`]), and then the other two parts include it.
    pub idle: Option<Energy>,
    /// Everybody else.
    pub others: Energy,
    /// CPU time of the process tree.
    pub process_cpu: Seconds,
    /// CPU time of the whole machine.
    pub machine_cpu: Seconds,
}

/// Reads CPU times.
#[derive(Clone, Debug)]
pub(crate) struct Attributor {
    stat: PathBuf,
}

/// CPU time so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    process: f64,
    machine: f64,
}

/// CPU time in a span.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    process: Seconds,
    machine: Seconds,
    idle: Option<(Watts, Watts)>,
}

impl Attributor {
    pub(crate) fn new(procfs: &Path) -> Self {
        Self { stat: procfs.join("stat") }
    }

    pub(crate) fn times(&self) -> Option<Times> {
        let text = fs::read_to_string(&self.stat).ok()?;
        let machine = busy_ticks(&text)? as f64 * cpu_time::tick_s();
        let process = (cpu_time::process_ns() + cpu_time::descendants_ns()) as f64 * 1e-9;
        Some(Times { process, machine })
    }

    /// Since then; `idle` is the processor's power at rest and its standard deviation.
    pub(crate) fn since(&self, before: Times, idle: Option<(Watts, Watts)>) -> Option<Shares> {
        let now = self.times()?;
        let process = Seconds((now.process - before.process).max(0.0));
        // Ticks are coarse: the machine was never less busy than the process on it.
        let machine = Seconds((now.machine - before.machine).max(process.0));
        Some(Shares { process, machine, idle })
    }
}

/// Ticks of all processors in any state but idle and waiting for a disk: the first line of
/// `/proc/stat`, proc_stat(5). Guests are in `user` already.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|it| it.parse().ok()).collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or(0);
    // user nice system idle iowait irq softirq steal
    (fields.len() >= 4).then(|| field(0) + field(1) + field(2) + field(5) + field(6))
}

impl Shares {
    /// Divides what was measured of the processor.
    pub(crate) fn of(&self, domains: &[DomainEnergy], duration: Seconds) -> Option<Attribution> {
        let measured = processor(domains)?;
        let estimated = |joules: Joules, uncertainty: Joules| Energy {
            joules,
            uncertainty,
            origin: Origin::Estimated,
        };
        let idle = self.idle.map(|(power, spread)| {
            let joules = power * duration;
            let joules = if joules < measured.joules { joules } else { measured.joules };
            estimated(joules, spread * duration * 2.0)
        });
        let active = measured.joules - idle.map_or(Joules(0.0), |it| it.joules);
        let share = if self.machine.0 > 0.0 { (self.process / self.machine).min(1.0) } else { 0.0 };
        // A tick at each end of both times.
        let blur = if self.machine.0 > 0.0 {
            (2.0 * cpu_time::tick_s() / self.machine.0).min(1.0)
        } else {
            1.0
        };
        let doubt = measured.uncertainty + idle.map_or(Joules(0.0), |it| it.uncertainty);
        let process = active * share;
        let uncertainty = doubt + active * blur;
        Some(Attribution {
            measured,
            process: estimated(process, uncertainty),
            idle,
            others: estimated(active - process, uncertainty),
            process_cpu: self.process,
            machine_cpu: self.machine,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use units::{Domain, Method};

    use super::*;

    fn package(joules: f64) -> DomainEnergy {
        DomainEnergy {
            domain: Domain::CpuPackage,
            device: "package-0".to_owned(),
            probe: "rapl".to_owned(),
            origin: Origin::Measured,
            method: Method::Counter,
            joules: Joules(joules),
            mean_power: None,
            peak_power: None,
            uncertainty: Joules(0.1),
            samples: 2,
            gap: Seconds(0.0),
            in_total: true,
        }
    }

    #[test]
    fn idle_and_waiting_are_not_busy() {
        let stat = "cpu  10 20 30 1000 400 5 6 7 3 0\ncpu0 1 2 3 4\n";
        assert_eq!(busy_ticks(stat), Some(71));
        assert_eq!(busy_ticks("intr 5"), None);
    }

    proptest! {
        #[test]
        fn the_parts_are_the_whole(
            joules in 0.0..1e6,
            process in 0.0..1e4,
            others in 0.0..1e4,
            idle in prop::option::of(0.0..1e3),
            duration in 1e-3..1e4,
        ) {
            let shares = Shares {
                process: Seconds(process),
                machine: Seconds(process + others),
                idle: idle.map(|it| (Watts(it), Watts(1.0))),
            };
            let found = shares.of(&[package(joules)], Seconds(duration)).unwrap();
            let idle = found.idle.map_or(0.0, |it| it.joules.0);
            let sum = found.process.joules.0 + found.others.joules.0 + idle;
            prop_assert!((sum - joules).abs() <= 1e-9 * joules.max(1.0));
            prop_assert!(found.process.joules.0 >= 0.0 && found.others.joules.0 >= -1e-9);
        }
    }
}
