//! The description of a simulation, as in `wattlab simulate FILE.toml`.

use std::path::PathBuf;

use record::Watts;
use serde::{Deserialize, Serialize};

use crate::{
    arrival::{self, ArrivalProcess},
    error::{ConfigError, non_negative, within},
    policy::{self, Adaptive, BatchingPolicy, Fixed, Greedy, Window},
    service::{self, ServiceLaw},
    trace::read_trace,
};

/// So that a slip of the finger is a message and not an exhausted memory.
const MAX_SERVERS: usize = 1_000_000;

/// A queue to be simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimulationConfig {
    /// Every random number follows from this.
    pub seed: u64,
    /// Requests in all, at least 1.
    pub requests: usize,
    /// Requests left out of the statistics, from the first; fewer than all.
    #[serde(default)]
    pub warmup: usize,
    /// When requests come.
    pub arrivals: ArrivalConfig,
    /// How long a batch takes.
    pub service: ServiceConfig,
    /// When a batch is served.
    pub batching: BatchingConfig,
    /// What serves; one server if left out.
    #[serde(default)]
    pub servers: ServersConfig,
    /// What it draws; no energies if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerConfig>,
}

/// When requests come. Each process has its own keys; any other is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrivalConfig {
    /// The kind of process.
    pub process: ProcessKind,
    /// Requests per second, on average; of all processes but `mmpp` and `trace`.
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
    /// [`read_trace`]
    Trace,
}

/// How long a batch takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceConfig {
    /// The kind of distribution.
    pub law: LawKind,
    /// Mean time of a batch of n requests is `base_s + n · per_item_s`; of all laws but `table`,
    /// 0 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_s: Option<f64>,
    /// See `base_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_item_s: Option<f64>,
    /// Coefficient of variation of `gamma` and `lognormal`; the other laws ignore it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
    /// Rows `[n, seconds]` of `table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Vec<(usize, f64)>>,
}

/// Kinds of service laws; see [`ServiceLaw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LawKind {
    /// [`ServiceLaw::exponential`]
    Exponential,
    /// [`ServiceLaw::deterministic`]
    Deterministic,
    /// [`ServiceLaw::gamma`]
    Gamma,
    /// [`ServiceLaw::lognormal`]
    Lognormal,
    /// [`ServiceLaw::table`]
    Table,
}

/// When a batch is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchingConfig {
    /// The kind of policy.
    pub policy: PolicyKind,
    /// Requests in a batch (`fixed`), or at most.
    pub size: usize,
    /// How long the first request of a batch waits for others under `window`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_s: Option<f64>,
    /// The service time that `adaptive` keeps its batches to, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_s: Option<f64>,
}

/// Kinds of batching policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// [`Fixed`]
    Fixed,
    /// [`Greedy`]
    Greedy,
    /// [`Window`]
    Window,
    /// [`Adaptive`]
    Adaptive,
}

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServersConfig {
    /// Servers in front of one queue, all alike; 1 to 1,000,000.
    pub count: usize,
}

impl Default for ServersConfig {
    fn default() -> Self {
        Self { count: 1 }
    }
}

/// What each server draws.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerConfig {
    /// While it serves nothing.
    #[serde(rename = "idle_w")]
    pub idle: Watts,
    /// While it serves a batch, whatever its size.
    #[serde(rename = "busy_w")]
    pub busy: Watts,
}

impl ArrivalConfig {
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
            Kind::Trace => "`process = \"trace\"`",
        };
        let plain = !matches!(self.process, Kind::Mmpp | Kind::Trace);
        unused("arrivals.rate", plain, self.rate.is_some(), kind)?;
        let jittered = self.process == Kind::Jittered;
        unused("arrivals.jitter", jittered, self.jitter.is_some(), kind)?;
        let mmpp = self.process == Kind::Mmpp;
        unused("arrivals.rates", mmpp, self.rates.is_some(), kind)?;
        unused("arrivals.mean_sojourns_s", mmpp, self.mean_sojourns_s.is_some(), kind)?;
        unused("arrivals.file", self.process == Kind::Trace, self.file.is_some(), kind)?;
        let rate = || needed("arrivals.rate", self.rate, kind, arrival::RATE);
        match self.process {
            Kind::Poisson => ArrivalProcess::poisson(rate()?),
            Kind::Deterministic => ArrivalProcess::deterministic(rate()?),
            Kind::Jittered => ArrivalProcess::jittered(
                rate()?,
                needed("arrivals.jitter", self.jitter, kind, arrival::JITTER)?,
            ),
            Kind::Mmpp => ArrivalProcess::mmpp(
                needed("arrivals.rates", self.rates, kind, arrival::RATES)?,
                needed("arrivals.mean_sojourns_s", self.mean_sojourns_s, kind, arrival::SOJOURNS)?,
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

impl ServiceConfig {
    /// The law.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range and keys too many or too few.
    pub fn law(&self) -> Result<ServiceLaw, ConfigError> {
        use LawKind as Kind;
        let kind = match self.law {
            Kind::Exponential => "`law = \"exponential\"`",
            Kind::Deterministic => "`law = \"deterministic\"`",
            Kind::Gamma => "`law = \"gamma\"`",
            Kind::Lognormal => "`law = \"lognormal\"`",
            Kind::Table => "`law = \"table\"`",
        };
        let table = self.law == Kind::Table;
        unused("service.base_s", !table, self.base_s.is_some(), kind)?;
        unused("service.per_item_s", !table, self.per_item_s.is_some(), kind)?;
        unused("service.table", table, self.table.is_some(), kind)?;
        if !table && self.base_s.is_none() {
            needed("service.per_item_s", self.per_item_s, kind, service::BASE)?;
        }
        let (base_s, per_item_s) =
            (self.base_s.unwrap_or_default(), self.per_item_s.unwrap_or_default());
        let cv = || needed("service.cv", self.cv, kind, service::CV);
        match self.law {
            Kind::Exponential => ServiceLaw::exponential(base_s, per_item_s),
            Kind::Deterministic => ServiceLaw::deterministic(base_s, per_item_s),
            Kind::Gamma => ServiceLaw::gamma(base_s, per_item_s, cv()?),
            Kind::Lognormal => ServiceLaw::lognormal(base_s, per_item_s, cv()?),
            Kind::Table => ServiceLaw::table(needed(
                "service.table",
                self.table.as_deref(),
                kind,
                service::TABLE,
            )?),
        }
    }
}

impl BatchingConfig {
    /// The policy.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range and keys too many or too few.
    pub fn policy(&self) -> Result<BatchingPolicy, ConfigError> {
        use PolicyKind as Kind;
        let kind = match self.policy {
            Kind::Fixed => "`policy = \"fixed\"`",
            Kind::Greedy => "`policy = \"greedy\"`",
            Kind::Window => "`policy = \"window\"`",
            Kind::Adaptive => "`policy = \"adaptive\"`",
        };
        unused("batching.delay_s", self.policy == Kind::Window, self.delay_s.is_some(), kind)?;
        unused("batching.target_s", self.policy == Kind::Adaptive, self.target_s.is_some(), kind)?;
        Ok(match self.policy {
            Kind::Fixed => BatchingPolicy::Fixed(Fixed::new(self.size)?),
            Kind::Greedy => BatchingPolicy::Greedy(Greedy::new(self.size)?),
            Kind::Window => {
                let delay = needed("batching.delay_s", self.delay_s, kind, policy::DELAY)?;
                BatchingPolicy::Window(Window::new(self.size, delay)?)
            }
            Kind::Adaptive => {
                let target = needed("batching.target_s", self.target_s, kind, policy::TARGET)?;
                BatchingPolicy::Adaptive(Adaptive::new(self.size, target)?)
            }
        })
    }
}

impl SimulationConfig {
    /// Checks what no part can check alone.
    pub(crate) fn check(&self, process: &ArrivalProcess) -> Result<(), ConfigError> {
        within("requests", self.requests, self.requests > 0, "at least 1")?;
        within("warmup", self.warmup, self.warmup < self.requests, "less than `requests`")?;
        let servers = 1..=MAX_SERVERS;
        let count = self.servers.count;
        within("servers.count", count, servers.contains(&count), "1 to 1000000")?;
        if let Some(power) = self.power {
            const POWER: &str = "a finite number, at least 0, in watts";
            non_negative("power.idle_w", power.idle.0, POWER)?;
            non_negative("power.busy_w", power.busy.0, POWER)?;
        }
        match process.limit() {
            Some(found) if found < self.requests => {
                Err(ConfigError::TraceTooShort { requests: self.requests, found })
            }
            _ => Ok(()),
        }
    }
}

fn unused(
    key: &'static str,
    known: bool,
    given: bool,
    kind: &'static str,
) -> Result<(), ConfigError> {
    if given && !known { Err(ConfigError::Unused { key, kind }) } else { Ok(()) }
}

fn needed<T>(
    key: &'static str,
    value: Option<T>,
    needed_by: &'static str,
    expected: &'static str,
) -> Result<T, ConfigError> {
    value.ok_or(ConfigError::Missing { key, needed_by, expected })
}
