//! When requests come.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::keys::{needed, unused};
use crate::{
    arrival::{self, ArrivalProcess},
    error::ConfigError,
    trace::read_trace,
};

/// When requests come. Each process has its own keys; any other is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrivalConfig {
    /// The kind of process.
    pub process: ProcessKind,
    /// Requests per second, on average; of all processes but `trace`. Of `mmpp` in place of `rates`
    /// and `mean_sojourns_s`: half and three halves of it by turns, each for `100 / rate` seconds on average.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Half-width of the uniform factor of `jittered`, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter: Option<f64>,
    /// Requests per second in either state of `mmpp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rates: Option<[f64; 2]>,
    /// Mean time in either state of `mmpp` before it changes to the other, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_sojourns_s: Option<[f64; 2]>,
    /// Relative swing of `daily`, in [0, 1].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amplitude: Option<f64>,
    /// Length of the cycle of `daily`, in seconds; a day if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_s: Option<f64>,
    /// CSV file of `trace`, with a column `arrival_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// Kinds of arrival processes; see [`ArrivalProcess`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    /// A Poisson process of so many requests per second.
    #[must_use]
    pub fn poisson(rate: f64) -> Self {
        Self {
            process: ProcessKind::Poisson,
            rate: Some(rate),
            jitter: None,
            rates: None,
            mean_sojourns_s: None,
            amplitude: None,
            period_s: None,
            file: None,
        }
    }

    /// The process; reads the file of a trace.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, keys too many or too few, and an unusable trace.
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
                let rate = crate::error::positive("arrivals.rate", rate()?, arrival::RATE)?;
                ArrivalProcess::mmpp([0.5 * rate, 1.5 * rate], [100.0 / rate; 2])
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
