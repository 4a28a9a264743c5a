//! The description of a simulation, as in `wattlab simulate FILE.toml`.

mod arrivals;
mod batching;
mod keys;
mod power;
mod service;

use serde::{Deserialize, Serialize};

pub use self::{
    arrivals::{ArrivalConfig, ProcessKind},
    batching::{BatchingConfig, Expected, PolicyKind},
    power::PowerConfig,
    service::{LawKind, ServiceConfig},
};
use crate::{
    arrival::ArrivalProcess,
    calibration::Calibration,
    error::{ConfigError, non_negative, within},
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
    /// How requests wait; without limit if left out.
    #[serde(default, skip_serializing_if = "QueueConfig::is_plain")]
    pub queue: QueueConfig,
    /// Further models with queues of their own in front of the same servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelConfig>,
    /// What else is counted.
    #[serde(default, skip_serializing_if = "StatisticsConfig::is_plain")]
    pub statistics: StatisticsConfig,
    /// Where the tables of service and power are from; not read by the simulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// How requests wait for a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    /// Requests that may wait, those in service not counted; more are rejected. With 0 a request
    /// is rejected unless a server is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// A free server takes from the queue with the greatest first; a batch that has begun is
    /// finished.
    #[serde(default)]
    pub priority: i32,
}

/// A model besides the one that the file describes first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// When its requests come.
    pub arrivals: ArrivalConfig,
    /// How long its batches take.
    pub service: ServiceConfig,
    /// When they are served.
    pub batching: BatchingConfig,
    /// How its requests wait.
    #[serde(default, skip_serializing_if = "QueueConfig::is_plain")]
    pub queue: QueueConfig,
}

/// What is counted besides means and quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatisticsConfig {
    /// Seconds; the shares of requests that wait longer are reported.
    #[serde(default)]
    pub wait_over_s: Vec<f64>,
    /// Seconds; the shares of requests whose responses take longer are reported.
    #[serde(default)]
    pub response_over_s: Vec<f64>,
}

impl QueueConfig {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl StatisticsConfig {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// What serves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServersConfig {
    /// Servers in front of the queues, all alike; 1 to 1,000,000.
    #[serde(default = "one")]
    pub count: usize,
    /// A server that was idle for so many seconds falls asleep; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_after_s: Option<f64>,
    /// Seconds a server takes to wake up, which it does when a batch is to be served and no
    /// server is awake for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wakeup_s: Option<f64>,
}

fn one() -> usize {
    1
}

impl Default for ServersConfig {
    fn default() -> Self {
        Self { count: one(), sleep_after_s: None, wakeup_s: None }
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
        const SECONDS: &str = "a finite number, at least 0, in seconds";
        let sleeps = self.servers.sleep_after_s;
        let wakeup = self.servers.wakeup_s;
        keys::unused(
            "servers.wakeup_s",
            sleeps.is_some(),
            wakeup.is_some(),
            "servers without `sleep_after_s`",
        )?;
        non_negative("servers.sleep_after_s", sleeps.unwrap_or(0.0), SECONDS)?;
        non_negative("servers.wakeup_s", wakeup.unwrap_or(0.0), SECONDS)?;
        for &limit in &self.statistics.wait_over_s {
            non_negative("statistics.wait_over_s", limit, SECONDS)?;
        }
        for &limit in &self.statistics.response_over_s {
            non_negative("statistics.response_over_s", limit, SECONDS)?;
        }
        match process.limit() {
            Some(found) if found < self.requests => {
                Err(ConfigError::TraceTooShort { requests: self.requests, found })
            }
            _ => Ok(()),
        }
    }
}
