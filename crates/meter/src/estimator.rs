//! The estimate where there is no sensor: CPU time × watts of a busy core.

use record::{Domain, Method, Seconds, Watts};
use rustix::time::{ClockId, clock_gettime};

use crate::source::{Channel, Kind, ReadError, Source};

/// A model of the processor's power.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimator {
    watts_per_core: Watts,
    relative_uncertainty: f64,
    described: String,
}

/// Watts of one busy core by words in the processor's name: thermal design power over cores of one
/// typical model each, from its maker's data sheet. First match wins.
const CORES: &[(&str, f64)] = &[
    ("EPYC", 4.4),         // EPYC 7763: 280 W, 64 cores
    ("Threadripper", 8.8), // 3970X: 280 W, 32 cores
    ("Xeon", 6.8),         // Platinum 8380: 270 W, 40 cores
    ("Ryzen", 13.1),       // 7 5800X: 105 W, 8 cores
    ("Core", 11.9),        // i9-9900K: 95 W, 8 cores
    ("Neoverse", 2.6),     // Ampere Altra Q80-30: 210 W, 80 cores
];

/// For a processor that the table does not know.
const UNKNOWN: f64 = 7.0;

/// The table gives a family's typical value; a given model, load and clock are easily half of it
/// away in either direction.
const UNCERTAINTY: f64 = 0.5;

impl Estimator {
    /// For this machine's processor, by its name.
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

    /// For a processor by its name.
    #[must_use]
    pub fn for_processor(model: &str) -> Self {
        let found = CORES.iter().find(|(word, _)| model.contains(word));
        let (family, watts) = found.copied().unwrap_or(("unknown", UNKNOWN));
        Self {
            watts_per_core: Watts(watts),
            relative_uncertainty: UNCERTAINTY,
            described: format!("family `{family}` for processor `{model}`"),
        }
    }

    /// With watts known from elsewhere (a data sheet, a plug) and their relative uncertainty, the
    /// half-width of a 95 % interval.
    #[must_use]
    pub fn cpu_time(watts_per_core: Watts, relative_uncertainty: f64) -> Self {
        let described = "given by the user".to_owned();
        Self { watts_per_core, relative_uncertainty, described }
    }

    /// The model in words, with its coefficients.
    #[must_use]
    pub fn description(&self) -> String {
        format!(
            "CPU time of this process × {:.1} per busy core (±{:.0} %), {}; idle power, memory and \
             everything else of the machine are left out",
            self.watts_per_core,
            self.relative_uncertainty * 100.0,
            self.described,
        )
    }

    pub(crate) fn source(&self) -> CpuTime {
        CpuTime {
            channels: vec![Channel {
                probe: "cpu-time".to_owned(),
                domain: Domain::CpuProcess,
                device: "process".to_owned(),
                inside: None,
                // Nanoseconds of CPU time.
                kind: Kind::Counter { range: None },
                method: Method::Model,
                unit: self.watts_per_core.0 * 1e-9,
                relative_error: self.relative_uncertainty,
                period: Seconds(0.0),
                model: Some(self.description()),
            }],
        }
    }
}

/// CPU time of this process, all threads.
pub(crate) struct CpuTime {
    channels: Vec<Channel>,
}

impl Source for CpuTime {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        Ok(cpu_time_ns())
    }
}

/// CPU time of this process so far, all threads, in nanoseconds.
pub(crate) fn cpu_time_ns() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let (seconds, rest) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0) * 1_000_000_000 + rest.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_says_what_it_is() {
        let model = Estimator::for_processor("Intel(R) Xeon(R) Processor");
        assert_eq!(model.watts_per_core, Watts(6.8));
        let text = Estimator::for_processor("whatever").description();
        assert!(text.starts_with("CPU time of this process × 7.0 W per busy core (±50 %)"), "{text}");
    }

    #[test]
    fn cpu_time_only_grows() {
        let mut source = Estimator::for_processor("x").source();
        let before = source.read(0).unwrap();
        let mut sum = 0_u64;
        while source.read(0).unwrap() == before {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(source.read(0).unwrap() > before);
    }
}
