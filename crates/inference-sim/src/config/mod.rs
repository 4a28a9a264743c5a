//! The description of a simulation, as in `wattlab simulate FILE.toml`.

mod arrivals;
mod cascade;
mod counts;
mod keys;
mod power;
mod queue;
mod replicas;
mod servers;
mod service;

use serde::{Deserialize, Serialize};
use units::limits::{self, Limit};

pub use self::{
    arrivals::{ArrivalConfig, ProcessKind},
    cascade::CascadeConfig,
    counts::CountConfig,
    power::PowerConfig,
    queue::{PatienceConfig, QueueConfig, RetryConfig},
    replicas::{AutoscaleConfig, ReplicasConfig, Routing},
    servers::ServersConfig,
    service::{LawKind, ServiceConfig, SlownessConfig},
};
use crate::{
    arrival::ArrivalProcess,
    calibration::Calibration,
    error::{ConfigError, limited, limited_count, within},
    policy::BatchingConfig,
};

/// Each event looks at all models, and each request at all thresholds.
const MODELS: Limit<u64> = Limit::whole("number of further models", "", 0, 1_000);
const THRESHOLDS: Limit<u64> = Limit::whole("number of thresholds", "", 0, 1_000);

/// A queue to be simulated: the description that `wattlab simulate FILE.toml` reads.
///
/// ```
/// use wattlab_inference_sim::{
///     ArrivalConfig, BatchingConfig, PowerConfig, ServiceConfig, SimulationConfig, simulate,
/// };
///
/// let queue = SimulationConfig::new(
///     ArrivalConfig::poisson(30.0),
///     ServiceConfig::table(vec![(1, 0.02), (8, 0.05), (32, 0.15)]),
///     BatchingConfig::window(16, 0.1),
/// )
/// .with_power(PowerConfig::constant(50.0, 250.0));
/// assert!(simulate(&queue)?.stable);
/// # Ok::<(), wattlab_inference_sim::SimulationError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SimulationConfig {
    /// Every random number is a function of this and of its purpose.
    pub seed: u64,
    /// Requests in all, at least 1.
    pub requests: usize,
    /// Requests at the beginning that are left out of the statistics; fewer than `requests`.
    #[serde(default)]
    pub warmup: usize,
    /// When requests come.
    pub arrivals: ArrivalConfig,
    /// How long a batch takes.
    pub service: ServiceConfig,
    /// When a batch is served.
    pub batching: BatchingConfig,
    /// The servers; one if left out.
    #[serde(default)]
    pub servers: ServersConfig,
    /// Copies of the queue with its servers, among which requests are distributed; one if left out.
    #[serde(default, skip_serializing_if = "ReplicasConfig::is_plain")]
    pub replicas: ReplicasConfig,
    /// The power of the servers; without it, the report has no energies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerConfig>,
    /// The limit and the priority of the queue; without limit if left out.
    #[serde(default, skip_serializing_if = "QueueConfig::is_plain")]
    pub queue: QueueConfig,
    /// A large network that is asked for the images of which the first is uncertain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<CascadeConfig>,
    /// Further models with queues of their own in front of the same servers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelConfig>,
    /// What is counted besides means and quantiles.
    #[serde(default, skip_serializing_if = "StatisticsConfig::is_plain")]
    pub statistics: StatisticsConfig,
    /// The measurements behind the tables of service and power; the simulation ignores them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// Another model before the same servers, with a queue of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelConfig {
    /// When its requests come.
    pub arrivals: ArrivalConfig,
    /// How long its batches take.
    pub service: ServiceConfig,
    /// When they are served.
    pub batching: BatchingConfig,
    /// The limit and the priority of its queue.
    #[serde(default, skip_serializing_if = "QueueConfig::is_plain")]
    pub queue: QueueConfig,
}

/// What is counted besides means and quantiles.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StatisticsConfig {
    /// Thresholds in seconds: for each, the share of requests that wait longer is reported.
    #[serde(default)]
    pub wait_over_s: Vec<f64>,
    /// Thresholds in seconds: for each, the share of requests with a longer response is reported.
    #[serde(default)]
    pub response_over_s: Vec<f64>,
    /// Whether the report has a histogram of the responses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub histogram: bool,
}

impl ModelConfig {
    /// A model whose queue has no limit.
    #[must_use]
    pub fn new(arrivals: ArrivalConfig, service: ServiceConfig, batching: BatchingConfig) -> Self {
        Self { arrivals, service, batching, queue: QueueConfig::default() }
    }

    /// The same with another queue.
    #[must_use]
    pub fn with_queue(self, queue: QueueConfig) -> Self {
        Self { queue, ..self }
    }
}

impl StatisticsConfig {
    /// Thresholds in seconds for waits and for responses.
    #[must_use]
    pub fn thresholds(wait_over_s: Vec<f64>, response_over_s: Vec<f64>) -> Self {
        Self { wait_over_s, response_over_s, histogram: false }
    }

    /// The same with a histogram of the responses.
    #[must_use]
    pub fn with_histogram(self) -> Self {
        Self { histogram: true, ..self }
    }

    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

impl SimulationConfig {
    /// A queue before one server: 100,000 requests, of which the first 5,000 are left out of the
    /// statistics, with seed 1 and without powers.
    #[must_use]
    pub fn new(arrivals: ArrivalConfig, service: ServiceConfig, batching: BatchingConfig) -> Self {
        Self {
            seed: 1,
            requests: 100_000,
            warmup: 5_000,
            arrivals,
            service,
            batching,
            servers: ServersConfig::default(),
            replicas: ReplicasConfig::default(),
            power: None,
            queue: QueueConfig::default(),
            cascade: None,
            models: Vec::new(),
            statistics: StatisticsConfig::default(),
            calibration: None,
        }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with `requests` requests, of which the first `warmup` are left out of the
    /// statistics.
    #[must_use]
    pub fn with_requests(self, requests: usize, warmup: usize) -> Self {
        Self { requests, warmup, ..self }
    }

    /// The same with other servers.
    #[must_use]
    pub fn with_servers(self, servers: ServersConfig) -> Self {
        Self { servers, ..self }
    }

    /// The same with replicas.
    #[must_use]
    pub fn with_replicas(self, replicas: ReplicasConfig) -> Self {
        Self { replicas, ..self }
    }

    /// The same with powers, so that the report has energies.
    #[must_use]
    pub fn with_power(self, power: PowerConfig) -> Self {
        Self { power: Some(power), ..self }
    }

    /// The same with another limit or priority of the queue.
    #[must_use]
    pub fn with_queue(self, queue: QueueConfig) -> Self {
        Self { queue, ..self }
    }

    /// The same with a large network behind the first.
    #[must_use]
    pub fn with_cascade(self, cascade: CascadeConfig) -> Self {
        Self { cascade: Some(cascade), ..self }
    }

    /// The same with another model before the same servers.
    #[must_use]
    pub fn with_model(mut self, model: ModelConfig) -> Self {
        self.models.push(model);
        self
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_batching(self, batching: BatchingConfig) -> Self {
        Self { batching, ..self }
    }

    /// The same with further statistics.
    #[must_use]
    pub fn with_statistics(self, statistics: StatisticsConfig) -> Self {
        Self { statistics, ..self }
    }

    /// The servers of all replicas, those that may be started included.
    pub(crate) fn all_servers(&self) -> usize {
        self.servers.count.saturating_mul(self.replicas.most())
    }

    /// Checks what no part can check alone.
    pub(crate) fn check(&self, process: &ArrivalProcess) -> Result<(), ConfigError> {
        limited_count("requests", self.requests, limits::REQUESTS)?;
        within("warmup", self.warmup, self.warmup < self.requests, "less than `requests`")?;
        self.servers.check()?;
        self.replicas.check(self.servers.count)?;
        let (scales, sleeps) =
            (self.replicas.autoscale.is_some(), self.servers.sleep_after_s.is_some());
        keys::unused("servers.sleep_after_s", !scales, sleeps, "`replicas.autoscale`")?;
        limited_count("models", self.models.len(), MODELS)?;
        for queue in self.models.iter().map(|model| &model.queue).chain([&self.queue]) {
            queue.check()?;
        }
        for (key, thresholds) in [
            ("statistics.wait_over_s", &self.statistics.wait_over_s),
            ("statistics.response_over_s", &self.statistics.response_over_s),
        ] {
            limited_count(key, thresholds.len(), THRESHOLDS)?;
            for &threshold in thresholds {
                limited(key, threshold, limits::DURATION_S)?;
            }
        }
        match process.limit() {
            Some(found) if found < self.requests => {
                Err(ConfigError::TraceTooShort { requests: self.requests, found })
            }
            _ => Ok(()),
        }
    }
}
