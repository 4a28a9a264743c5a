//! When requests come.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use units::limits;

use super::keys::{needed, unused};
use crate::{
    arrival::{self, ArrivalProcess},
    error::{ConfigError, limited},
    trace::read_trace,
};

/// When requests come. Each process has its own keys; any other is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ArrivalConfig {
    /// The kind of process.
    pub process: ProcessKind,
    /// Mean requests per second, for all processes but `trace`. For `mmpp` it may take the place
    /// of `rates` and `mean_sojourns_s`: the rate is then half and three halves of it by turns,
    /// each for `100 / rate` seconds on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// For `jittered`: half-width of the uniform factor of the times between requests, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// For `mmpp`: requests per second in each of the two states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<[f64; 2]>,
    /// For `mmpp`: mean time in each state before it changes to the other, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_sojourns_s: Option<[f64; 2]>,
    /// For `daily`: relative swing of the rate, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// For `daily`: length of the cycle, in seconds; a day if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_s: Option<f64>,
    /// For `trace`: a CSV file with a column `arrival_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// Kinds of arrival processes; see [`ArrivalProcess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ProcessKind {
    /// [`ArrivalProcess::poisson`]
    Poisson,
    /// [`ArrivalProcess::deterministic`]
    Deterministic,
    /// [`ArrivalProcess::jittered`]
    Jittered,
    /// [`ArrivalProcess::mmpp`]
    Mmpp,
    /// [`ArrivalProcess::daily`]
    Daily,
    /// [`read_trace`]
    Trace,
}

impl ArrivalConfig {
    fn new(process: ProcessKind) -> Self {
        Self {
            process,
            rate: None,
            jitter: None,
            rates: None,
            mean_sojourns_s: None,
            amplitude: None,
            period_s: None,
            file: None,
        }
    }

    /// A Poisson process with `rate` requests per second.
    #[must_use]
    pub fn poisson(rate: f64) -> Self {
        Self { rate: Some(rate), ..Self::new(ProcessKind::Poisson) }
    }

    /// A request every `1/rate` seconds.
    #[must_use]
    pub fn deterministic(rate: f64) -> Self {
        Self { rate: Some(rate), ..Self::new(ProcessKind::Deterministic) }
    }

    /// Times between requests that are uniform in `1/rate · [1-jitter, 1+jitter]`.
    #[must_use]
    pub fn jittered(rate: f64, jitter: f64) -> Self {
        Self { rate: Some(rate), jitter: Some(jitter), ..Self::new(ProcessKind::Jittered) }
    }

    /// A Markov-modulated Poisson process with two rates, and the mean seconds in each state.
    #[must_use]
    pub fn mmpp(rates: [f64; 2], mean_sojourns_s: [f64; 2]) -> Self {
        Self {
            rates: Some(rates),
            mean_sojourns_s: Some(mean_sojourns_s),
            ..Self::new(ProcessKind::Mmpp)
        }
    }

    /// A Poisson process whose rate swings by a share `amplitude` within `period_s` seconds.
    #[must_use]
    pub fn daily(rate: f64, amplitude: f64, period_s: f64) -> Self {
        Self {
            rate: Some(rate),
            amplitude: Some(amplitude),
            period_s: Some(period_s),
            ..Self::new(ProcessKind::Daily)
        }
    }

    /// Recorded arrivals: the column `arrival_s` of a CSV file.
    #[must_use]
    pub fn trace(file: impl Into<PathBuf>) -> Self {
        Self { file: Some(file.into()), ..Self::new(ProcessKind::Trace) }
    }

    /// The process; reads the file of a trace.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, missing keys, keys that the process does not use,
    /// and a trace that cannot be read.
    pub fn process(&self) -> Result<ArrivalProcess, ConfigError> {
        use ProcessKind as Kind;
        let kind = match self.process {
            Kind::Poisson => "`process = \"poisson\"`",
            Kind::Deterministic => "`process = \"deterministic\"`",
            Kind::Jittered => "`process = \"jittered\"`",
            Kind::Mmpp => "`process = \"mmpp\"`",
            Kind::Daily => "`process = \"daily\"`",
            Kind::Trace => "`process = \"trace\"`",
        };
        let detailed = self.rates.is_some() || self.mean_sojourns_s.is_some();
        let rated = match self.process {
            Kind::Trace => false,
            Kind::Mmpp => !detailed,
            _ => true,
        };
        unused("arrivals.rate", rated, self.rate.is_some(), kind)?;
        let jittered = self.process == Kind::Jittered;
        unused("arrivals.jitter", jittered, self.jitter.is_some(), kind)?;
        let mmpp = self.process == Kind::Mmpp;
        unused("arrivals.rates", mmpp, self.rates.is_some(), kind)?;
        unused("arrivals.mean_sojourns_s", mmpp, self.mean_sojourns_s.is_some(), kind)?;
        let daily = self.process == Kind::Daily;
        unused("arrivals.amplitude", daily, self.amplitude.is_some(), kind)?;
        unused("arrivals.period_s", daily, self.period_s.is_some(), kind)?;
        unused("arrivals.file", self.process == Kind::Trace, self.file.is_some(), kind)?;
        let rate = || needed("arrivals.rate", self.rate, kind, arrival::RATE);
        match self.process {
            Kind::Poisson => ArrivalProcess::poisson(rate()?),
            Kind::Deterministic => ArrivalProcess::deterministic(rate()?),
            Kind::Jittered => ArrivalProcess::jittered(
                rate()?,
                needed("arrivals.jitter", self.jitter, kind, arrival::JITTER)?,
            ),
            Kind::Mmpp if self.rate.is_some() => {
                let rate = limited("arrivals.rate", rate()?, limits::RATE_PER_S)?;
                let sojourn_s = (100.0 / rate).min(limits::DURATION_S.max());
                ArrivalProcess::mmpp([0.5 * rate, 1.5 * rate], [sojourn_s; 2])
            }
            Kind::Mmpp => ArrivalProcess::mmpp(
                needed("arrivals.rates", self.rates, kind, arrival::RATES)?,
                needed("arrivals.mean_sojourns_s", self.mean_sojourns_s, kind, arrival::SOJOURNS)?,
            ),
            Kind::Daily => ArrivalProcess::daily(
                rate()?,
                needed("arrivals.amplitude", self.amplitude, kind, arrival::AMPLITUDE)?,
                self.period_s.unwrap_or(arrival::DAY_S),
            ),
            Kind::Trace => read_trace(needed(
                "arrivals.file",
                self.file.as_deref(),
                kind,
                "a CSV file with a column `arrival_s`",
            )?),
        }
    }
}
