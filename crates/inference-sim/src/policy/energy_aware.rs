//! As few joules per request as an objective allows.

use super::{Decision, Policy, Queue, at_least_one};
use crate::{
    error::{ConfigError, positive},
    power::BatchEnergy,
    service::ServiceLaw,
};

pub(crate) const OBJECTIVE: &str = "a finite number above 0, in seconds from arrival to answer";

/// Waits for the batch with the least expected joules per request, but serves what there is as
/// late as the first request can still be answered within the objective.
///
/// That batch is the cheapest per request among those that, served back to back, keep up with the
/// rate and take no longer than the objective; if none does, the fastest per request.
#[derive(Clone, Debug, PartialEq)]
pub struct EnergyAware {
    objective_s: f64,
    /// Mean seconds of a batch of 1, 2, ... up to the cheapest, after a pause: whoever waits to the
    /// last moment has one.
    times_s: Box<[f64]>,
}

impl EnergyAware {
    /// Batches of at most `size` requests for a load of `rate` requests per second and server.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a size of 0 or an objective that is not above 0.
    pub fn new(
        size: usize,
        objective_s: f64,
        rate: f64,
        law: &ServiceLaw,
        energy: &BatchEnergy,
    ) -> Result<Self, ConfigError> {
        let objective_s = positive("batching.objective_s", objective_s, OBJECTIVE)?;
        let sizes = 1..=at_least_one(size)?;
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

    /// The batch it waits for.
    #[must_use]
    pub fn max_size(&self) -> usize {
        self.times_s.len()
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
}
