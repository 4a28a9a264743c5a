//! Keeps runs from disturbing each other: pauses, the load of other processes, and sensors that measure
//! several runs at once.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use meter::Meter;
use record::{Domain, Surroundings, Warning, WarningKind};

use super::error::RunError;
use crate::{Interrupt, config::IsolationConfig, output::percent};

/// The share of the processors above which the load of others gets a warning, if there is no limit.
const NOTABLE: f64 = 0.1;

/// How a worker keeps its runs from being disturbed.
#[derive(Debug)]
pub(super) struct Isolation {
    config: IsolationConfig,
    sysfs: PathBuf,
    /// The parts of the machine that sensors measure, whoever uses them.
    shared: Vec<String>,
    /// Whether other runs may be done on this machine at the same time.
    together: bool,
    worker: Option<String>,
    cpus: Vec<usize>,
}

/// The parts of the machine that a meter's sensors measure, whoever uses them. Two runs at the same
/// time cannot be separated there. A model of a process's own CPU time separates them.
pub(crate) fn shared_domains(meter: &Meter) -> Vec<String> {
    let uses = meter.probe_uses().into_iter();
    uses.filter(|channel| channel.domain != Domain::CpuProcess)
        .map(|channel| format!("{} `{}`", channel.domain.word(), channel.device))
        .collect()
}

impl Isolation {
    /// For a process that has the machine to itself.
    pub(super) fn alone(meter: &Meter) -> Self {
        Self {
            config: IsolationConfig { repeats: 0, ..IsolationConfig::default() },
            sysfs: PathBuf::from("/sys"),
            shared: shared_domains(meter),
            together: false,
            worker: None,
            cpus: Vec::new(),
        }
    }

    pub(super) fn set(
        &mut self,
        config: IsolationConfig,
        together: bool,
        sysfs: &Path,
    ) -> Result<(), RunError> {
        if together && !self.shared.is_empty() && !config.shared_domains {
            return Err(RunError::SharedDomain { domains: self.shared.join(", ") });
        }
        self.config = config;
        self.together = together;
        sysfs.clone_into(&mut self.sysfs);
        Ok(())
    }

    pub(super) fn name(&mut self, worker: &str, cpus: &[usize]) {
        self.worker = Some(worker.to_owned());
        self.cpus = cpus.to_vec();
    }

    pub(super) fn worker(&self) -> Option<String> {
        self.worker.clone()
    }

    pub(super) fn place(&self) -> (&Path, &[usize]) {
        (&self.sysfs, &self.cpus)
    }

    pub(super) fn resting(&self) -> Duration {
        Duration::from_secs_f64(self.config.rest_s)
    }

    /// Waits for the pause before a run, in which the machine cools down.
    pub(super) fn rest(&self, interrupt: &Interrupt) -> Result<(), RunError> {
        let end = Instant::now() + Duration::from_secs_f64(self.config.rest_s);
        loop {
            if interrupt.is_set() {
                return Err(RunError::Interrupted);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            // Short pauses, so that an interruption is noticed.
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// The load of others that matters: on the run's own processors, or everywhere if a sensor
    /// measures it.
    fn load(&self, surroundings: &Surroundings) -> Option<f64> {
        let own = surroundings.others_on_own_cpus.filter(|_| self.shared.is_empty());
        own.or(surroundings.others_share)
    }

    fn limit(&self) -> Option<f64> {
        self.config.outside_load_limit(!self.shared.is_empty())
    }

    /// Whether a run must be repeated.
    pub(super) fn repeats(&self, surroundings: &Surroundings) -> bool {
        let above =
            self.load(surroundings).zip(self.limit()).is_some_and(|(load, limit)| load > limit);
        above && surroundings.repeats < self.config.repeats
    }

    /// Warnings about a run that is kept.
    pub(super) fn warnings(&self, surroundings: &Surroundings) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.together && !self.shared.is_empty() {
            let text = format!(
                "other runs may have been measured at the same time by the same sensors ({}), so \
                 this energy is an upper bound",
                self.shared.join(", ")
            );
            warnings.push(Warning::new(WarningKind::SharedDomain, text));
        }
        let limit = self.limit().unwrap_or(NOTABLE);
        if let Some(load) = self.load(surroundings).filter(|load| *load > limit) {
            let consequence = if self.shared.is_empty() {
                "times are longer; energy is estimated from the run's own CPU time"
            } else {
                "their energy is included"
            };
            let again = match surroundings.repeats {
                0 => String::new(),
                times => format!(", even after {times} repetitions"),
            };
            let text = format!(
                "other processes used {} of the processors during the main span{again}: \
                 {consequence}",
                percent(load)
            );
            warnings.push(Warning::new(WarningKind::OutsideLoad, text));
        }
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn isolation(shared: &[&str], config: IsolationConfig) -> Isolation {
        let shared = shared.iter().map(|part| (*part).to_owned()).collect();
        Isolation { config, shared, ..Isolation::alone(&Meter::noop()) }
    }

    fn load(share: f64, repeats: u32) -> Surroundings {
        Surroundings { others_share: Some(share), repeats, ..Surroundings::default() }
    }

    #[test]
    fn a_run_is_repeated_a_limited_number_of_times_if_a_sensor_measured_others() {
        let measured = isolation(&["cpu-package `package-0`"], IsolationConfig::default());
        assert!(measured.repeats(&load(0.2, 0)) && measured.repeats(&load(0.2, 1)));
        assert!(!measured.repeats(&load(0.2, 2)) && !measured.repeats(&load(0.05, 0)));
        let warnings = measured.warnings(&load(0.2, 2));
        assert_eq!(warnings[0].kind, WarningKind::OutsideLoad);
        assert!(warnings[0].text.contains("20 %") && warnings[0].text.contains("2 repetitions"));
        assert!(measured.warnings(&load(0.05, 0)).is_empty());
        // An estimate from the process's own CPU time does not include others: a warning is enough.
        let estimated = isolation(&[], IsolationConfig::default());
        assert!(!estimated.repeats(&load(0.9, 0)));
        assert!(estimated.warnings(&load(0.9, 0))[0].text.contains("own CPU time"));
        // Unless the profile sets a limit.
        let asked = IsolationConfig { max_outside_load: Some(0.5), ..IsolationConfig::default() };
        assert!(isolation(&[], asked).repeats(&load(0.6, 0)));
    }

    #[test]
    fn a_shared_sensor_allows_one_run_at_a_time_unless_the_profile_allows_more() {
        let mut measured = isolation(&["dram `package-0`"], IsolationConfig::default());
        let sysfs = Path::new("/sys");
        let refused = measured.set(IsolationConfig::default(), true, sysfs).unwrap_err();
        assert!(refused.to_string().contains("shared_domains = true"), "{refused}");
        assert!(measured.set(IsolationConfig::default(), false, sysfs).is_ok());
        let allowed = IsolationConfig { shared_domains: true, ..IsolationConfig::default() };
        measured.set(allowed, true, sysfs).unwrap();
        assert_eq!(measured.warnings(&load(0.0, 0))[0].kind, WarningKind::SharedDomain);
        // A model of the process separates runs.
        let mut estimated = isolation(&[], IsolationConfig::default());
        estimated.set(IsolationConfig::default(), true, sysfs).unwrap();
        assert!(estimated.warnings(&load(0.0, 0)).is_empty());
    }

    #[test]
    fn a_pause_is_kept_and_can_be_interrupted() {
        let config = IsolationConfig { rest_s: 0.05, ..IsolationConfig::default() };
        let start = Instant::now();
        isolation(&[], config).rest(&Interrupt::default()).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(50));
        let interrupt = Interrupt::default();
        interrupt.set();
        let long = isolation(&[], IsolationConfig { rest_s: 3600.0, ..config });
        assert!(matches!(long.rest(&interrupt), Err(RunError::Interrupted)));
    }
}
