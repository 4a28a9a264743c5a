//! Divides the processor's measured energy between a workload and all other processes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{Domain, DomainEnergy, Energy, Joules, Origin, Seconds, Warning, WarningKind, Watts};

use crate::{cpu_share::CpuShare, cpu_time, workload::Workload};

/// How the processor's measured energy divides. The parts `process`, `idle` and `others` sum to
/// `measured`.
///
/// The idle power, if it is known, belongs to no process. The rest is divided by CPU time (user and
/// system). This is a model, so the parts are [`Origin::Estimated`]: equal amounts of CPU time may
/// cost different amounts of energy, as [`CpuShare::PROCESSOR`] says.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Attribution {
    /// Energy of the processor's domains that are part of the total.
    pub measured: Energy,
    /// The part of the workload: of this process and all processes that it started, or of what
    /// [`crate::Builder::workload`] set.
    pub process: Energy,
    /// The idle part, which the processor draws without any work. `None` if
    /// [`crate::Meter::idle`] was not called; the other two parts then include it.
    pub idle: Option<Energy>,
    /// The part of all other processes.
    pub others: Energy,
    /// CPU time of the workload.
    pub process_cpu: Seconds,
    /// CPU time of the whole machine.
    pub machine_cpu: Seconds,
    /// The two CPU times, and how the workload's was counted.
    pub share: CpuShare,
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
    workload: Workload,
    /// Whether `/proc/stat` shows a container's CPU time only.
    contained: bool,
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
    pub(crate) cpu: CpuShare,
    idle: Option<(Watts, Watts)>,
}

impl Attributor {
    pub(crate) fn new(procfs: &Path, workload: Workload) -> Self {
        let stat = procfs.join("stat");
        let mounts = fs::read_to_string(procfs.join("self/mountinfo")).unwrap_or_default();
        Self { contained: is_mounted_over(&mounts, &stat), stat, workload }
    }

    /// CPU times up to now. `None` if they cannot be read, or the machine's is unknown: in a
    /// container of LXC, `/proc/stat` is a file of lxcfs with the container's own CPU time, of which
    /// a process would seem to have a share of up to 100 % of the machine.
    pub(crate) fn times(&self) -> Option<Times> {
        if self.contained {
            return None;
        }
        let text = fs::read_to_string(&self.stat).ok()?;
        let machine = busy_ticks(&text)? as f64 * cpu_time::tick_s();
        let process = self.workload.cpu_ns()? as f64 * 1e-9;
        Some(Times { process, machine })
    }

    /// CPU time since `before`. `idle` is the processor's idle power and its standard deviation.
    pub(crate) fn since(&self, before: Times, idle: Option<(Watts, Watts)>) -> Option<Shares> {
        let now = self.times()?;
        let (process, machine) = (now.process - before.process, now.machine - before.machine);
        let accounting = self.workload.accounting();
        let mut cpu = CpuShare::new(Seconds(process), Seconds(machine), accounting);
        cpu.error = Seconds(2.0 * cpu_time::tick_s());
        Some(Shares { cpu, idle })
    }

    /// A warning, if commands have ended and processes that they started have not.
    pub(crate) fn ran_on(&self) -> Option<Warning> {
        const NAMED: usize = 5;
        let left = self.workload.left();
        let names: Vec<String> = left.iter().take(NAMED).map(ToString::to_string).collect();
        let more = left.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let text = format!(
            "processes that the command started run on: {}{more}; what they use from now on is not \
             measured",
            names.join(", ")
        );
        (!left.is_empty()).then(|| Warning::new(WarningKind::RanOn, text))
    }

    /// Looks at the processes of the workload between the ends of spans.
    pub(crate) fn follow(&self) {
        self.workload.follow();
    }
}

/// Whether a file is the mount point of another file.
fn is_mounted_over(mountinfo: &str, file: &Path) -> bool {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|point| Path::new(point) == file)
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
        let active = Energy {
            joules: measured.joules - idle.map_or(Joules(0.0), |idle| idle.joules),
            uncertainty: measured.uncertainty + idle.map_or(Joules(0.0), |idle| idle.uncertainty),
            origin: measured.origin,
        };
        let process = self.cpu.of(&active, CpuShare::PROCESSOR);
        Some(Attribution {
            measured,
            process,
            idle,
            others: estimated(
                active.joules - process.joules,
                process.uncertainty + active.uncertainty,
            ),
            process_cpu: self.cpu.workload,
            machine_cpu: self.cpu.machine,
            share: self.cpu,
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

    #[test]
    fn a_container_with_a_proc_stat_of_its_own_is_recognized() {
        // Proxmox VE 8, an unprivileged container.
        let lxc = "512 500 0:52 /proc/stat /proc/stat rw,nosuid master:10 - fuse.lxcfs lxcfs rw";
        assert!(is_mounted_over(lxc, Path::new("/proc/stat")));
        let plain = "23 28 0:21 / /proc rw,nosuid shared:12 - proc proc rw";
        assert!(!is_mounted_over(plain, Path::new("/proc/stat")));
        assert!(!is_mounted_over("", Path::new("/proc/stat")));
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
            let accounting = crate::workload::CpuAccounting::ProcessTree;
            let shares = Shares {
                cpu: CpuShare::new(Seconds(process), Seconds(process + others), accounting),
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
