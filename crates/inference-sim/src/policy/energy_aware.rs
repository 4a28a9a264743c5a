//! As few joules per request as a response time objective allows.

use units::limits;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{PolicyKey, SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::{
    error::{ConfigError, limited},
    power::BatchEnergy,
    service::ServiceLaw,
};

const OBJECTIVE: PolicyKey = PolicyKey::number(
    "batching.objective_s",
    "a number of seconds above 0, from arrival to answer",
);

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "energy_aware",
    "the batch with the fewest joules per request, up to `size`, but early enough to \
              answer its first request within `objective_s` seconds",
    &[SIZE, OBJECTIVE],
);

pub(super) fn build(
    config: &BatchingConfig,
    context: &PolicyContext<'_>,
) -> Result<EnergyAware, ConfigError> {
    let (size, objective_s) = (config.count(SIZE)?, config.number(OBJECTIVE)?);
    EnergyAware::new(size, objective_s, context.rate, context.law, context.energy)
}

/// Waits for the batch size with the fewest expected joules per request, but serves a smaller batch
/// at the last moment at which its first request can still be answered within the objective.
///
/// That size is the cheapest per request among those that, served back to back, keep up with the
/// arrival rate and take no longer than the objective. If no size does, it is the fastest per
/// request.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyAware {
    objective_s: f64,
    /// Mean seconds of a batch of 1, 2, ... up to the cheapest size, after a pause: a server that
    /// waits for the last moment has paused.
    times_s: Box<[f64]>,
}

impl EnergyAware {
    /// Batches of at most `size` requests for a load of `rate` requests per second and server.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a size outside [`crate::limits::BATCH`] or an objective
    /// outside [`crate::limits::POSITIVE_DURATION_S`].
    pub fn new(
        size: usize,
        objective_s: f64,
        rate: f64,
        law: &ServiceLaw,
        energy: &BatchEnergy,
    ) -> Result<Self, ConfigError> {
        let objective_s = limited(OBJECTIVE.path, objective_s, limits::POSITIVE_DURATION_S)?;
        let sizes = 1..=checked_size(size)?;
        let time = |size: &usize| law.mean_s(*size) / *size as f64;
        let joules = |size: &usize| energy.joules(*size, law.mean_s(*size), 0.0) / *size as f64;
        let feasible = |size: &usize| law.mean_s(*size) <= objective_s && time(size) * rate < 1.0;
        let best = sizes
            .clone()
            .filter(feasible)
            .min_by(|a, b| joules(a).total_cmp(&joules(b)))
            .or_else(|| sizes.min_by(|a, b| time(a).total_cmp(&time(b))))
            .unwrap_or(1);
        Ok(Self { objective_s, times_s: (1..=best).map(|size| law.mean_rested_s(size)).collect() })
    }
}

impl BatchingConfig {
    /// [`EnergyAware`]: at most `size` requests, answered within `objective_s` seconds of arrival.
    #[must_use]
    pub fn energy_aware(size: usize, objective_s: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(OBJECTIVE, Value::Number(objective_s))
    }
}

impl Policy for EnergyAware {
    fn decide(&self, queue: &Queue) -> Decision {
        let best = self.times_s.len();
        if queue.waiting >= best || !queue.more_to_come {
            return Decision::Serve(queue.waiting.min(best));
        }
        // The next request would join, and the batch take as long as one larger.
        let latest = queue.oldest_s + self.objective_s - self.times_s[queue.waiting];
        if queue.now_s >= latest {
            Decision::Serve(queue.waiting)
        } else {
            Decision::WaitUntil(latest)
        }
    }

    /// The size it waits for.
    fn max_size(&self) -> usize {
        self.times_s.len()
    }
}
