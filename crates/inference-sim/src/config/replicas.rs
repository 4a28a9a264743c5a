//! Copies of the queue with its servers.

use serde::{Deserialize, Serialize};
use units::limits::{self, Limit};

use crate::error::{ConfigError, limited, limited_count, within};

const REPLICAS: Limit<u64> = Limit::whole("number of replicas", "", 1, 10_000);
const FEWEST: Limit<u64> = Limit::whole("number of replicas", "", 0, 10_000);
/// More often would take the simulation longer than the requests.
const INTERVAL_S: Limit<f64> = Limit::real("time between two decisions", "seconds", 1e-3, 1e9);

/// Copies of the queue with its servers, among which requests are distributed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ReplicasConfig {
    /// Their number; with `autoscale`, that at the beginning.
    #[serde(default = "one")]
    pub count: usize,
    /// Which replica gets a request.
    #[serde(default)]
    pub routing: Routing,
    /// Whether replicas start and stop with the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscale: Option<AutoscaleConfig>,
}

/// Which replica gets a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Routing {
    /// One after another.
    #[default]
    RoundRobin,
    /// Any, at random.
    Random,
    /// The one with the fewest requests that wait or are served.
    LeastLoaded,
    /// The one with fewer requests of two at random (Mitzenmacher 2001, The Power of Two Choices in
    /// Randomized Load Balancing, IEEE Transactions on Parallel and Distributed Systems 12(10)).
    PowerOfTwo,
}

/// Replicas that start and stop with the load. Every `interval_s`, as many are wanted as the requests
/// that wait or are served divided by `target`, rounded up. More are started at once, and serve
/// after `start_s`; fewer are kept when that was so for `keep_s`. A replica that stops first serves
/// its requests. A request that finds no replica starts one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AutoscaleConfig {
    /// The fewest replicas; with 0, all may stop.
    pub min: usize,
    /// The most replicas.
    pub max: usize,
    /// Requests per replica that are aimed at, those in service included.
    pub target: f64,
    /// Seconds between two decisions.
    pub interval_s: f64,
    /// Seconds from the start of a replica to its first service (a cold start).
    pub start_s: f64,
    /// Seconds for which fewer replicas must have been enough before they stop; 0 if left out.
    #[serde(default)]
    pub keep_s: f64,
}

fn one() -> usize {
    1
}

impl Default for ReplicasConfig {
    fn default() -> Self {
        Self::new(one(), Routing::default())
    }
}

impl ReplicasConfig {
    /// A fixed number of replicas.
    #[must_use]
    pub fn new(count: usize, routing: Routing) -> Self {
        Self { count, routing, autoscale: None }
    }

    /// The same, starting and stopping with the load.
    #[must_use]
    pub fn scaling(self, autoscale: AutoscaleConfig) -> Self {
        Self { autoscale: Some(autoscale), ..self }
    }

    /// The most replicas at a time.
    pub(crate) fn most(&self) -> usize {
        self.autoscale.map_or(self.count, |scale| scale.max)
    }

    pub(crate) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self, servers: usize) -> Result<(), ConfigError> {
        limited_count("replicas.count", self.count, REPLICAS)?;
        if let Some(scale) = &self.autoscale {
            limited_count("replicas.autoscale.min", scale.min, FEWEST)?;
            limited_count("replicas.autoscale.max", scale.max, REPLICAS)?;
            let ordered = scale.min <= scale.max && (scale.min..=scale.max).contains(&self.count);
            let expected = "a number from `replicas.autoscale.min` to `replicas.autoscale.max`";
            within("replicas.count", self.count, ordered, expected)?;
            let target = "a number of requests from 0.001 to 1e9";
            let valid = (1e-3..=1e9).contains(&scale.target);
            within("replicas.autoscale.target", scale.target, valid, target)?;
            limited("replicas.autoscale.interval_s", scale.interval_s, INTERVAL_S)?;
            limited("replicas.autoscale.start_s", scale.start_s, limits::DURATION_S)?;
            limited("replicas.autoscale.keep_s", scale.keep_s, limits::DURATION_S)?;
        }
        limited_count("servers.count", servers.saturating_mul(self.most()), limits::SERVERS)?;
        Ok(())
    }
}

impl AutoscaleConfig {
    /// Between `min` and `max` replicas of about `target` requests each, decided every 10 seconds, with
    /// cold starts of `start_s` seconds.
    #[must_use]
    pub fn new(min: usize, max: usize, target: f64, start_s: f64) -> Self {
        Self { min, max, target, interval_s: 10.0, start_s, keep_s: 0.0 }
    }
}
