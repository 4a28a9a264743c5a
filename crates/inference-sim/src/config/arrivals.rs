//! When requests come.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use units::limits;

use super::{
    counts::CountConfig,
    keys::{needed, unused},
};
use crate::{
    arrival::{self, ArrivalProcess},
    error::{ConfigError, limited},
    ramp,
    requests::{MarkLaws, TraceRequests},
    trace::{TraceColumns, read_trace, read_trace_columns},
};

/// When requests come. Each process has its own keys; any other is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ArrivalConfig {
    /// The kind of process.
    pub process: ProcessKind,
    /// Mean requests per second, for all processes but `ramp`, `trace` and `closed`. For `mmpp` it may take the place
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
    /// For `gamma`, `weibull` and `lognormal`: coefficient of variation of the times between requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
    /// For `ramp`: rows `[seconds, requests per second]`, linear between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<Vec<(f64, f64)>>,
    /// For `trace`: a CSV file with a column `arrival_s`, and optionally `size`, `priority` and
    /// `timeout_s`, or for generative models `prompt_tokens` and `output_tokens`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// For `trace`: the names of the columns to read, where they have others; the file need not be
    /// sorted then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<TraceColumns>,
    /// For `trace` with `columns`: the unit of numbers in the column of arrivals, in seconds; 1 if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_s: Option<f64>,
    /// For `closed`: clients that each wait for the answer to a request before they send the next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<usize>,
    /// For `closed`: mean of the exponential time between an answer and the next request, in seconds; 0
    /// if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think_s: Option<f64>,
    /// Requests that come together, for `poisson`, `deterministic`, `jittered`, `gamma`, `weibull` and
    /// `lognormal`; one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<CountConfig>,
    /// Images in a request; one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<CountConfig>,
    /// Level of priority of a request, for policies that have levels; the default level if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<CountConfig>,
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
    /// [`ArrivalProcess::gamma`]
    Gamma,
    /// [`ArrivalProcess::weibull`]
    Weibull,
    /// [`ArrivalProcess::lognormal`]
    Lognormal,
    /// [`ArrivalProcess::ramp`]
    Ramp,
    /// [`read_trace`]
    Trace,
    /// [`ArrivalProcess::closed`]
    Closed,
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
            cv: None,
            points: None,
            file: None,
            columns: None,
            unit_s: None,
            clients: None,
            think_s: None,
            group: None,
            size: None,
            level: None,
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

    /// Gamma times between requests, with coefficient of variation `cv`.
    #[must_use]
    pub fn gamma(rate: f64, cv: f64) -> Self {
        Self { rate: Some(rate), cv: Some(cv), ..Self::new(ProcessKind::Gamma) }
    }

    /// A Poisson process whose rate is linear between the points `(seconds, requests per second)`.
    #[must_use]
    pub fn ramp(points: Vec<(f64, f64)>) -> Self {
        Self { points: Some(points), ..Self::new(ProcessKind::Ramp) }
    }

    /// Clients that each wait for an answer, think for `think_s` seconds on average, and send again.
    #[must_use]
    pub fn closed(clients: usize, think_s: f64) -> Self {
        Self { clients: Some(clients), think_s: Some(think_s), ..Self::new(ProcessKind::Closed) }
    }

    /// The same with this number of images in a request.
    #[must_use]
    pub fn with_size(self, size: CountConfig) -> Self {
        Self { size: Some(size), ..self }
    }

    /// The same with requests that come in groups.
    #[must_use]
    pub fn in_groups(self, group: CountConfig) -> Self {
        Self { group: Some(group), ..self }
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
        let kind = self.process.label();
        self.check_keys(kind)?;
        let rate = || needed("arrivals.rate", self.rate, kind, arrival::RATE);
        let cv = || needed("arrivals.cv", self.cv, kind, "a number above 0");
        let process = match self.process {
            Kind::Poisson => ArrivalProcess::poisson(rate()?),
            Kind::Deterministic => ArrivalProcess::deterministic(rate()?),
            Kind::Jittered => ArrivalProcess::jittered(
                rate()?,
                needed("arrivals.jitter", self.jitter, kind, arrival::JITTER)?,
            ),
            Kind::Gamma => ArrivalProcess::gamma(rate()?, cv()?),
            Kind::Weibull => ArrivalProcess::weibull(rate()?, cv()?),
            Kind::Lognormal => ArrivalProcess::lognormal(rate()?, cv()?),
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
            Kind::Ramp => ArrivalProcess::ramp(needed(
                "arrivals.points",
                self.points.as_deref(),
                kind,
                ramp::POINTS,
            )?),
            Kind::Closed => ArrivalProcess::closed(
                needed("arrivals.clients", self.clients, kind, "the number of clients")?,
                self.think_s.unwrap_or_default(),
            ),
            Kind::Trace => {
                let expected = "a CSV file with a column `arrival_s`";
                let file = needed("arrivals.file", self.file.as_deref(), kind, expected)?;
                match &self.columns {
                    None => read_trace(file),
                    Some(columns) => {
                        let unit_s = self.unit_s.unwrap_or(1.0);
                        let limit = limits::POSITIVE_DURATION_S;
                        read_trace_columns(
                            file,
                            columns,
                            limited("arrivals.unit_s", unit_s, limit)?,
                        )
                    }
                }
            }
        }?;
        match &self.group {
            Some(group) => process.in_groups(group.law("arrivals.group")?),
            None => Ok(process),
        }
    }

    /// Sizes, levels and time limits of the requests of a process.
    pub(crate) fn marks(&self, process: &ArrivalProcess) -> Result<MarkLaws, ConfigError> {
        let law = |config: &Option<CountConfig>, key| {
            config.as_ref().map(|config| config.law(key)).transpose()
        };
        let tokens = |trace: &TraceRequests| trace.prompts.is_some() || trace.outputs.is_some();
        if process.trace_requests().is_some_and(tokens) {
            return Err(ConfigError::Invalid {
                key: "arrivals.file",
                found: "a trace with tokens".to_owned(),
                expected: "a trace of images, or a description with `[tokens]` for a generative model",
            });
        }
        Ok(MarkLaws {
            trace: process.trace_requests().cloned(),
            size: law(&self.size, "arrivals.size")?,
            level: law(&self.level, "arrivals.level")?,
        })
    }

    /// Checks that the process uses all keys.
    fn check_keys(&self, kind: &str) -> Result<(), ConfigError> {
        use ProcessKind as Kind;
        let process = self.process;
        let detailed = self.rates.is_some() || self.mean_sojourns_s.is_some();
        let rated = match process {
            Kind::Trace | Kind::Closed | Kind::Ramp => false,
            Kind::Mmpp => !detailed,
            _ => true,
        };
        let varies = matches!(process, Kind::Gamma | Kind::Weibull | Kind::Lognormal);
        let even = matches!(process, Kind::Poisson | Kind::Deterministic | Kind::Jittered);
        let is = |other| process == other;
        let mapped = is(Kind::Trace) && self.columns.is_some();
        for (key, used, given) in [
            ("arrivals.rate", rated, self.rate.is_some()),
            ("arrivals.jitter", is(Kind::Jittered), self.jitter.is_some()),
            ("arrivals.rates", is(Kind::Mmpp), self.rates.is_some()),
            ("arrivals.mean_sojourns_s", is(Kind::Mmpp), self.mean_sojourns_s.is_some()),
            ("arrivals.amplitude", is(Kind::Daily), self.amplitude.is_some()),
            ("arrivals.period_s", is(Kind::Daily), self.period_s.is_some()),
            ("arrivals.cv", varies, self.cv.is_some()),
            ("arrivals.points", is(Kind::Ramp), self.points.is_some()),
            ("arrivals.file", is(Kind::Trace), self.file.is_some()),
            ("arrivals.columns", is(Kind::Trace), self.columns.is_some()),
            ("arrivals.clients", is(Kind::Closed), self.clients.is_some()),
            ("arrivals.think_s", is(Kind::Closed), self.think_s.is_some()),
            ("arrivals.group", varies || even, self.group.is_some()),
        ] {
            unused(key, used, given, kind)?;
        }
        unused("arrivals.unit_s", mapped, self.unit_s.is_some(), "a process without `columns`")
    }
}

impl ProcessKind {
    fn label(self) -> &'static str {
        match self {
            Self::Poisson => "`process = \"poisson\"`",
            Self::Deterministic => "`process = \"deterministic\"`",
            Self::Jittered => "`process = \"jittered\"`",
            Self::Mmpp => "`process = \"mmpp\"`",
            Self::Daily => "`process = \"daily\"`",
            Self::Gamma => "`process = \"gamma\"`",
            Self::Weibull => "`process = \"weibull\"`",
            Self::Lognormal => "`process = \"lognormal\"`",
            Self::Ramp => "`process = \"ramp\"`",
            Self::Trace => "`process = \"trace\"`",
            Self::Closed => "`process = \"closed\"`",
        }
    }
}
