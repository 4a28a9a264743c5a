//! Requests that are worth nothing when they are answered late.

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
    service::ServiceLaw,
};

const DEADLINE: PolicyKey =
    PolicyKey::number("batching.deadline_s", "a number of seconds above 0, from arrival to answer");

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "deadline",
    "the largest batch, up to `size`, that answers its first request within `deadline_s` \
              seconds; drops requests that would be late",
    &[SIZE, DEADLINE],
);

pub(super) fn build(
    config: &BatchingConfig,
    context: &PolicyContext<'_>,
) -> Result<Deadline, ConfigError> {
    let (size, deadline_s) = (config.count(SIZE)?, config.number(DEADLINE)?);
    Deadline::new(size, deadline_s, context.law)
}

/// Serves the largest batch that still answers its first request in time.
///
/// It drops requests that could not be answered in time even alone. While more than a full batch
/// waits, it also drops requests that would make the batch smaller (early drop: Shen et al. 2019,
/// Nexus, SOSP, section 6.3). Otherwise an overloaded server would only serve small batches of old
/// requests.
///
/// It plans with the mean times of batches. All requests of a queue have the same deadline, so the
/// first one's comes first; between queues, a server takes the earliest deadline first (Liu and
/// Layland 1973, JACM 20(1)).
#[derive(Clone, Debug, PartialEq)]
pub struct Deadline {
    deadline_s: f64,
    /// Mean seconds of a batch of 1, 2, ...
    times_s: Box<[f64]>,
}

impl Deadline {
    /// Batches of at most `size` requests, answered within `deadline_s` seconds of arrival.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a size outside [`crate::limits::BATCH`] or a deadline outside
    /// [`crate::limits::POSITIVE_DURATION_S`].
    pub fn new(size: usize, deadline_s: f64, law: &ServiceLaw) -> Result<Self, ConfigError> {
        let deadline_s = limited(DEADLINE.path, deadline_s, limits::POSITIVE_DURATION_S)?;
        let times_s = (1..=checked_size(size)?).map(|size| law.mean_s(size)).collect();
        Ok(Self { deadline_s, times_s })
    }
}

impl BatchingConfig {
    /// [`Deadline`]: at most `size` requests, answered within `deadline_s` seconds of arrival.
    #[must_use]
    pub fn deadline(size: usize, deadline_s: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(DEADLINE, Value::Number(deadline_s))
    }
}

impl Policy for Deadline {
    fn decide(&self, queue: &Queue) -> Decision {
        let left = queue.oldest_s + self.deadline_s - queue.now_s;
        let within = &self.times_s[..queue.waiting.min(self.times_s.len())];
        let overloaded = queue.waiting > self.times_s.len();
        match within.iter().rposition(|&time| time <= left) {
            Some(last) if overloaded && last + 1 < within.len() => Decision::Drop(1),
            Some(last) => Decision::Serve(last + 1),
            None => Decision::Drop(1),
        }
    }

    fn max_size(&self) -> usize {
        self.times_s.len()
    }

    fn deadline_s(&self) -> Option<f64> {
        Some(self.deadline_s)
    }
}
