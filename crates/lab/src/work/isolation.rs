//! Keeping measurements apart: rests, load by others, sensors that see several runs.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use meter::Meter;
use record::{Domain, Surroundings, Warning, WarningKind};

use super::error::RunError;
use crate::{Interrupt, config::IsolationConfig, output::percent};

/// Load by others above this share of the processors is told.
const TOLD: f64 = 0.1;

/// How a worker's measurements are kept apart from everything else.
#[derive(Debug)]
pub(super) struct Isolation {
    config: IsolationConfig,
    sysfs: PathBuf,
    /// What sensors see whoever uses it.
    seen: Vec<String>,
    together: bool,
    worker: Option<String>,
    cpus: Vec<usize>,
}

/// The parts of the machine that a meter's sensors see whoever uses them: two runs at once cannot be
/// told apart there. A model of a process's own CPU time tells them apart.
pub(crate) fn shared_domains(meter: &Meter) -> Vec<String> {
    let shared = meter.probe_uses().into_iter().filter(|it| it.domain != Domain::CpuProcess);
    shared.map(|it| format!("{} `{}`", it.domain.word(), it.device)).collect()
}

impl Isolation {
    /// Of a process that has the machine for itself.
    pub(super) fn alone(meter: &Meter) -> Self {
        Self {
            config: IsolationConfig { repeats: 0, ..IsolationConfig::default() },
            sysfs: PathBuf::from("/sys"),
            seen: shared_domains(meter),
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
        if together && !self.seen.is_empty() && !config.shared_domains {
            return Err(RunError::SharedDomain { domains: self.seen.join(", ") });
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

    /// Lets the machine cool down.
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
            // An interruption is seen as fast.
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    /// The load by others that matters: on the run's own processors, or wherever a sensor sees it.
    fn load(&self, surroundings: &Surroundings) -> Option<f64> {
        let own = surroundings.others_on_own_cpus.filter(|_| self.seen.is_empty());
        own.or(surroundings.others_share)
    }

    fn limit(&self) -> Option<f64> {
        self.config.outside_load_limit(!self.seen.is_empty())
    }

    /// Whether a run is to be done again.
    pub(super) fn repeats(&self, surroundings: &Surroundings) -> bool {
        let above = self.load(surroundings).zip(self.limit()).is_some_and(|(load, it)| load > it);
        above && surroundings.repeats < self.config.repeats
    }

    /// Doubts about a run that is kept.
    pub(super) fn warnings(&self, surroundings: &Surroundings) -> Vec<Warning> {
        let mut warnings = Vec::new();
        if self.together && !self.seen.is_empty() {
            let text = format!(
                "other runs may have been measured at the same time, and {} saw them all: these \
                 joules are an upper bound",
                self.seen.join(", ")
            );
            warnings.push(Warning::new(WarningKind::SharedDomain, text));
        }
        if let Some(load) = self.load(surroundings).filter(|it| *it > self.limit().unwrap_or(TOLD))
        {
            let consequence = if self.seen.is_empty() {
                "times are longer; joules are estimated from the run's own CPU time"
            } else {
                "their joules are in these"
            };
            let again = match surroundings.repeats {
                0 => String::new(),
                times => format!(", also when it was done again ({times} times)"),
            };
            let text = format!(
                "others used {} of the processors during the main span{again}: {consequence}",
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

    fn isolation(seen: &[&str], config: IsolationConfig) -> Isolation {
        let seen = seen.iter().map(|it| (*it).to_owned()).collect();
        Isolation { config, seen, ..Isolation::alone(&Meter::noop()) }
    }

    fn load(share: f64, repeats: u32) -> Surroundings {
        Surroundings { others_share: Some(share), repeats, ..Surroundings::default() }
    }

    #[test]
    fn a_run_is_done_again_where_a_sensor_saw_others_but_not_for_ever() {
        let measured = isolation(&["cpu-package `package-0`"], IsolationConfig::default());
        assert!(measured.repeats(&load(0.2, 0)) && measured.repeats(&load(0.2, 1)));
        assert!(!measured.repeats(&load(0.2, 2)) && !measured.repeats(&load(0.05, 0)));
        let warnings = measured.warnings(&load(0.2, 2));
        assert_eq!(warnings[0].kind, WarningKind::OutsideLoad);
        assert!(warnings[0].text.contains("20 %") && warnings[0].text.contains("2 times"));
        assert!(measured.warnings(&load(0.05, 0)).is_empty());
        // Joules of a process's own CPU time do not see others: told, not repeated.
        let estimated = isolation(&[], IsolationConfig::default());
        assert!(!estimated.repeats(&load(0.9, 0)));
        assert!(estimated.warnings(&load(0.9, 0))[0].text.contains("own CPU time"));
        // Unless the profile asks for it.
        let asked = IsolationConfig { max_outside_load: Some(0.5), ..IsolationConfig::default() };
        assert!(isolation(&[], asked).repeats(&load(0.6, 0)));
    }

    #[test]
    fn one_run_at_a_time_for_each_sensor_unless_the_profile_says_otherwise() {
        let mut measured = isolation(&["dram `package-0`"], IsolationConfig::default());
        let sysfs = Path::new("/sys");
        let refused = measured.set(IsolationConfig::default(), true, sysfs).unwrap_err();
        assert!(refused.to_string().contains("shared_domains = true"), "{refused}");
        assert!(measured.set(IsolationConfig::default(), false, sysfs).is_ok());
        let allowed = IsolationConfig { shared_domains: true, ..IsolationConfig::default() };
        measured.set(allowed, true, sysfs).unwrap();
        assert_eq!(measured.warnings(&load(0.0, 0))[0].kind, WarningKind::SharedDomain);
        // Models of processes tell runs apart.
        let mut estimated = isolation(&[], IsolationConfig::default());
        estimated.set(IsolationConfig::default(), true, sysfs).unwrap();
        assert!(estimated.warnings(&load(0.0, 0)).is_empty());
    }

    #[test]
    fn a_rest_is_kept_and_can_be_interrupted() {
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
