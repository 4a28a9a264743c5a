//! The estimate for a processor without a sensor: CPU time × watts of a busy core.

mod cores;
mod fit;
mod gpu;
mod memory;
mod processors;

pub use self::fit::{EnergyObservation, FittedEstimator};
pub use self::gpu::gpu_energy;
pub(crate) use self::{
    gpu::{GpuModel, NAME as GPU},
    memory::{MemoryModel, NAME as MEMORY},
};

use std::path::Path;

use units::{Domain, Energy, Method, Seconds, Watts};

use crate::{
    cpu_time,
    source::{Channel, Kind, ReadError, Source},
    workload::Workload,
};

/// The probe's name.
pub(crate) const NAME: &str = "cpu-time";

/// A model of the processor's power.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimator {
    watts_per_core: Watts,
    relative_uncertainty: f64,
    described: String,
    children: bool,
}

/// Thermal design power is not what a load draws: the kind of work and the clock frequency easily
/// change it by half in either direction, and a virtual processor may be half a core.
const UNCERTAINTY: f64 = 0.5;

impl Estimator {
    /// A model of this machine's processor, by its name in `/proc/cpuinfo`.
    #[must_use]
    pub fn for_this_processor() -> Self {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info
            .lines()
            .find(|line| line.starts_with("model name"))
            .and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, name)| name.trim());
        Self::for_processor(model)
    }

    /// A model of a processor, by its name.
    #[must_use]
    pub fn for_processor(model: &str) -> Self {
        let rated = processors::rated(model);
        Self {
            watts_per_core: rated.per_core,
            relative_uncertainty: UNCERTAINTY,
            described: rated.described,
            children: false,
        }
    }

    /// A model with a power per busy core that you know from elsewhere, such as a data sheet or a
    /// smart plug, and its relative uncertainty: half of a 95 % interval, as a share.
    #[must_use]
    pub fn cpu_time(watts_per_core: Watts, relative_uncertainty: f64) -> Self {
        let described = "given by the user".to_owned();
        Self { watts_per_core, relative_uncertainty, described, children: false }
    }

    /// No estimate: without a sensor the processor's energy is absent.
    #[must_use]
    pub fn none() -> Option<Self> {
        None
    }

    /// Also counts the processes that this one started, for a command that is run and measured.
    /// Their CPU time is known to a tick of the kernel, usually 10 ms, and each reading looks
    /// through `/proc`. [`Builder::workload`](crate::Builder::workload) counts daemons, too.
    #[must_use]
    pub fn with_children(mut self) -> Self {
        self.children = true;
        self
    }

    /// The model in words, with its coefficients.
    #[must_use]
    pub fn description(&self) -> String {
        let counted = if self.children {
            "CPU time of this process and its children"
        } else {
            "CPU time of this process"
        };
        self.described_as(counted)
    }

    fn described_as(&self, counted: &str) -> String {
        format!(
            "{counted} × {:.1} per busy core (±{:.0} %), {}; idle power, memory and all other parts \
             of the machine are not included",
            self.watts_per_core,
            self.relative_uncertainty * 100.0,
            self.described,
        )
    }

    /// What the model says of work that was recorded elsewhere: the CPU time of its processes, its length, and the
    /// number of physical cores that it could use.
    #[must_use]
    pub fn energy(&self, cpu: Seconds, duration: Seconds, cores: f64) -> Energy {
        let busy = Seconds(cpu.0.min(cores * duration.0));
        let joules = self.watts_per_core * busy;
        Energy {
            joules,
            uncertainty: joules * self.relative_uncertainty,
            origin: Method::Model.origin(),
        }
    }

    /// The source, on a machine whose cores `sysfs` shows. `workload`: the processes that count, if
    /// they are given.
    ///
    /// Two threads of one core use two seconds of CPU time in a second, but not twice the power of
    /// the core. The kernel gives each core one busy thread before it gives one of them a second, so
    /// the energy is cut at all cores' power.
    pub(crate) fn source(&self, sysfs: &Path, workload: Option<&Workload>) -> CpuTime {
        let workload = workload.cloned();
        let workload = workload.or_else(|| self.children.then(Workload::process_tree));
        let device = workload.as_ref().map_or("process", Workload::label).to_owned();
        let kind = Kind::Counter { range: None };
        // Nanoseconds of CPU time.
        let unit = self.watts_per_core.0 * 1e-9;
        let (domain, method) = (Domain::CpuProcess, Method::Model);
        let mut channel = Channel::new(NAME, domain, &device, kind, method, unit);
        channel.relative_error = Some(self.relative_uncertainty);
        channel.period = Seconds(if workload.is_some() { cpu_time::tick_s() } else { 0.0 });
        let mut described = match &workload {
            Some(workload) => self.described_as(&workload.description()),
            None => self.description(),
        };
        if let Some(cores) = cores::physical(sysfs).filter(|_| self.watts_per_core > Watts(0.0)) {
            let highest = self.watts_per_core * cores as f64;
            described.push_str(&format!("; at most {highest:.1}, the power of {cores} cores"));
            channel.highest = Some(highest);
        }
        channel.model = Some(described);
        CpuTime { channels: vec![channel], workload }
    }
}

/// CPU time as a counter of energy.
pub(crate) struct CpuTime {
    channels: Vec<Channel>,
    /// `None`: this process alone.
    workload: Option<Workload>,
}

impl Source for CpuTime {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        let Some(workload) = &self.workload else { return Ok(cpu_time::process_ns()) };
        workload.cpu_ns().ok_or_else(|| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[0].device.clone(),
            reason: "its CPU time cannot be read".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use super::*;

    #[test]
    fn a_description_has_the_coefficients() {
        let model = Estimator::for_processor("Intel(R) Xeon(R) Processor");
        assert_eq!(model.watts_per_core, Watts(6.75));
        let text = Estimator::for_processor("whatever").description();
        assert!(
            text.starts_with("CPU time of this process × 7.0 W per busy core (±50 %)"),
            "{text}"
        );
    }

    #[test]
    fn recorded_work_costs_at_most_all_cores() {
        let model = Estimator::cpu_time(Watts(5.0), 0.5);
        let energy = |cpu: f64| model.energy(Seconds(cpu), Seconds(2.0), 4.0);
        assert!((energy(3.0).joules.0 - 15.0).abs() < 1e-9);
        assert!((energy(3.0).uncertainty.0 - 7.5).abs() < 1e-9);
        // Eight threads on four cores.
        assert!((energy(16.0).joules.0 - 40.0).abs() < 1e-9);
        assert_eq!(energy(3.0).origin, units::Origin::Estimated);
    }

    #[test]
    fn cpu_time_increases_with_work() {
        let mut source = Estimator::for_processor("x").source(Path::new("/sys"), None);
        let before = source.read(0).unwrap();
        let mut sum = 0_u64;
        let increased = (0..100_000_000).any(|_| {
            sum = std::hint::black_box(sum + 1);
            source.read(0).unwrap() > before
        });
        assert!(increased, "{before} ns");
    }

    #[test]
    fn a_child_counts_while_it_runs_and_after_it_has_ended() {
        // It uses 0.2 s of CPU time, then waits for the end of its input.
        let script = "while :; do read -r _ _ _ _ _ _ _ _ _ _ _ _ _ used _ </proc/$$/stat; \
                      [ $used -ge 20 ] && break; done; echo; read -r _";
        let model = Estimator::for_processor("x").with_children();
        let mut source = model.source(Path::new("/sys"), None);
        let before = source.read(0).unwrap();
        let own = cpu_time::process_ns();
        let mut child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut beyond_own = || source.read(0).unwrap() - before - (cpu_time::process_ns() - own);
        let running = beyond_own();
        drop(child.stdin.take());
        child.wait().unwrap();
        let ended = beyond_own();
        assert!(running >= 150_000_000, "{running}");
        assert!(ended >= 190_000_000, "{ended}");
    }
}
