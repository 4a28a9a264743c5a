//! The queue in front of the servers: its limit, its priority, and the patience of its clients.

use serde::{Deserialize, Serialize};
use units::limits::{self, Limit};

use super::service::LawKind;
use crate::{
    error::{ConfigError, limited, limited_count},
    service::ServiceLaw,
};

/// More attempts could make a simulation endless.
const ATTEMPTS: Limit<u64> = Limit::whole("number of further attempts", "", 1, 10_000);

/// The limit and the priority of a queue, and what clients do that do not want to wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QueueConfig {
    /// The most requests that may wait, those in service not counted; further ones are rejected.
    /// With 0, a request is rejected unless a server is free. `None` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// A free server takes from the queue with the highest priority first. A batch that has begun
    /// is finished.
    #[serde(default)]
    pub priority: i32,
    /// How long clients wait for the start of service before they leave; forever if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<PatienceConfig>,
    /// Whether clients send lost requests again; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryConfig>,
}

/// The patience of a client: the longest time that it waits for the start of service. A client that
/// leaves is counted as abandoned. With `law = "deterministic"`, it is a timeout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PatienceConfig {
    /// The kind of distribution: all but `table`.
    pub law: LawKind,
    /// Its mean, in seconds.
    pub mean_s: f64,
    /// For `gamma` and `lognormal`: coefficient of variation, 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
}

/// What clients do whose requests are lost: rejected, dropped, or abandoned by the clients
/// themselves. The response of a request that is served in the end counts from its first arrival.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RetryConfig {
    /// Further attempts.
    pub attempts: usize,
    /// Mean of the exponential time between a loss and the next attempt, in seconds.
    pub delay_s: f64,
    /// Factor by which that time grows with each attempt; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<f64>,
}

impl QueueConfig {
    /// At most `limit` requests wait; further ones are rejected.
    #[must_use]
    pub fn limited(limit: usize) -> Self {
        Self { limit: Some(limit), ..Self::default() }
    }

    /// The same with a priority; 0 is the default.
    #[must_use]
    pub fn with_priority(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    /// The same with clients that leave.
    #[must_use]
    pub fn with_patience(self, patience: PatienceConfig) -> Self {
        Self { patience: Some(patience), ..self }
    }

    /// The same with clients that send lost requests again.
    #[must_use]
    pub fn with_retry(self, retry: RetryConfig) -> Self {
        Self { retry: Some(retry), ..self }
    }

    pub(super) fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        limited_count("queue.limit", self.limit.unwrap_or_default(), limits::QUEUE_LENGTH)?;
        if let Some(patience) = &self.patience {
            patience.law()?;
        }
        if let Some(retry) = &self.retry {
            limited_count("queue.retry.attempts", retry.attempts, ATTEMPTS)?;
            limited("queue.retry.delay_s", retry.delay_s, limits::DURATION_S)?;
            let backoff = retry.backoff.unwrap_or(1.0);
            if !(1.0..=1000.0).contains(&backoff) {
                return Err(ConfigError::Invalid {
                    key: "queue.retry.backoff",
                    found: backoff.to_string(),
                    expected: "a number from 1 to 1000",
                });
            }
        }
        Ok(())
    }
}

impl PatienceConfig {
    /// A patience with this law and mean, in seconds.
    #[must_use]
    pub fn new(law: LawKind, mean_s: f64) -> Self {
        Self { law, mean_s, cv: None }
    }

    /// The distribution, as that of a batch of any size.
    pub(crate) fn law(&self) -> Result<ServiceLaw, ConfigError> {
        let mean_s = limited("queue.patience.mean_s", self.mean_s, limits::DURATION_S)?;
        let cv = || {
            let cv = self.cv.unwrap_or(1.0);
            if cv == 0.0 {
                let (found, expected) = (cv.to_string(), "a number above 0");
                return Err(ConfigError::Invalid { key: "queue.patience.cv", found, expected });
            }
            limited("queue.patience.cv", cv, limits::VARIATION)
        };
        match self.law {
            LawKind::Exponential => ServiceLaw::exponential(mean_s, 0.0),
            LawKind::Deterministic => ServiceLaw::deterministic(mean_s, 0.0),
            LawKind::Gamma => ServiceLaw::gamma(mean_s, 0.0, cv()?),
            LawKind::Lognormal => ServiceLaw::lognormal(mean_s, 0.0, cv()?),
            LawKind::Table => Err(ConfigError::Invalid {
                key: "queue.patience.law",
                found: "`table`".to_owned(),
                expected: "exponential, deterministic, gamma or lognormal",
            }),
        }
    }
}

impl RetryConfig {
    /// At most `attempts` further attempts, each after `delay_s` seconds on average.
    #[must_use]
    pub fn new(attempts: usize, delay_s: f64) -> Self {
        Self { attempts, delay_s, backoff: None }
    }
}
