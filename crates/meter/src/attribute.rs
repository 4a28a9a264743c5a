//! Divides the processor's measured energy between this process tree and all others.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{Domain, DomainEnergy, Energy, Joules, Origin, Seconds, Watts};

use crate::cpu_time;

/// How the processor's measured energy divides. The parts `process`, `idle` and `others` sum to
/// `measured`.
///
/// The idle power, if it is known, belongs to no process. The rest is divided by CPU time (user and
/// system, ended child processes included). This is a model, so the parts are
/// [`Origin::Estimated`]: equal amounts of CPU time may cost different amounts of energy.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attribution {
    /// Energy of the processor's domains that are part of the total.
    pub measured: Energy,
    /// The part of this process and all processes that it started.
    pub process: Energy,
    /// The idle part, which the processor draws without any work. `None` if
    /// [`crate::Meter::idle`] was not called; the other two parts then include it.
    pub idle: Option<Energy>,
    /// The part of all other processes.
    pub others: Energy,
    /// CPU time of the process tree.
    pub process_cpu: Seconds,
    /// CPU time of the whole machine.
    pub machine_cpu: Seconds,
}

/// The energy of the processor's measured domains that are part of the total; `None` without one.
pub(crate) fn processor(domains: &[DomainEnergy]) -> Option<Energy> {
    let processor = domains.iter().filter(|energy| {
        energy.in_total
            && energy.origin == Origin::Measured
            && matches!(
                energy.domain,
                Domain::CpuPackage | Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie
            )
    });
    Energy::total(processor.map(DomainEnergy::energy))
}

/// Reads the CPU times that the division needs.
#[derive(Clone, Debug)]
pub(crate) struct Attributor {
    stat: PathBuf,
}

/// CPU time up to now, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Times {
    process: f64,
    machine: f64,
}

/// CPU time within a span, and the processor's idle power with its standard deviation.
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
        let process = (cpu_time::process_ns() + cpu_time::descendants_ns()?) as f64 * 1e-9;
        Some(Times { process, machine })
    }

    /// CPU time since `before`. `idle` is the processor's idle power and its standard deviation.
    pub(crate) fn since(&self, before: Times, idle: Option<(Watts, Watts)>) -> Option<Shares> {
        let now = self.times()?;
        let process = Seconds((now.process - before.process).max(0.0));
        // Ticks are coarse, but the machine was never less busy than the process on it.
        let machine = Seconds((now.machine - before.machine).max(process.0));
        Some(Shares { process, machine, idle })
    }
}

/// Ticks that all processors spent in any state except idle and waiting for a disk: the first line
/// of `/proc/stat`, proc_stat(5). `user` includes guests.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
    let field = |at: usize| fields.get(at).copied().unwrap_or(0);
    // user nice system idle iowait irq softirq steal
    (fields.len() >= 4).then(|| field(0) + field(1) + field(2) + field(5) + field(6))
}

impl Shares {
    /// Divides the measured energy of the processor; `None` if no sensor measures it.
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
        let active = measured.joules - idle.map_or(Joules(0.0), |idle| idle.joules);
        let share = if self.machine.0 > 0.0 { (self.process / self.machine).min(1.0) } else { 0.0 };
        // Each of the two times is uncertain by a tick at each end.
        let blur = if self.machine.0 > 0.0 {
            (2.0 * cpu_time::tick_s() / self.machine.0).min(1.0)
        } else {
            1.0
        };
        let doubt = measured.uncertainty + idle.map_or(Joules(0.0), |idle| idle.uncertainty);
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
    use units::Method;

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
    fn idle_and_waiting_ticks_are_not_busy() {
        let stat = "cpu  10 20 30 1000 400 5 6 7 3 0\ncpu0 1 2 3 4\n";
        assert_eq!(busy_ticks(stat), Some(71));
        assert_eq!(busy_ticks("intr 5"), None);
    }

    proptest! {
        #[test]
        fn the_parts_sum_to_the_whole(
            joules in 0.0..1e6,
            process in 0.0..1e4,
            others in 0.0..1e4,
            idle in prop::option::of(0.0..1e3),
            duration in 1e-3..1e4,
        ) {
            let shares = Shares {
                process: Seconds(process),
                machine: Seconds(process + others),
                idle: idle.map(|watts| (Watts(watts), Watts(1.0))),
            };
            let found = shares.of(&[package(joules)], Seconds(duration)).unwrap();
            let idle = found.idle.map_or(0.0, |idle| idle.joules.0);
            let sum = found.process.joules.0 + found.others.joules.0 + idle;
            prop_assert!((sum - joules).abs() <= 1e-9 * joules.max(1.0));
            prop_assert!(found.process.joules.0 >= 0.0 && found.others.joules.0 >= -1e-9);
        }
    }
}
