//! A minimum and a maximum number of requests.

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{PolicyKey, SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::error::{ConfigError, within};

const MIN_SIZE: PolicyKey =
    PolicyKey::count("batching.min_size", "a number of requests from 1 to `batching.size`");

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "min_max",
    "`min_size` to `size` requests as soon as `min_size` wait",
    &[SIZE, MIN_SIZE],
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<MinMax, ConfigError> {
    MinMax::new(config.count(MIN_SIZE)?, config.count(SIZE)?)
}

/// Waits for a minimum number of requests, then serves what waits up to a cap; what is left when
/// no more requests will arrive.
///
/// The general bulk service rule (Neuts 1967, Annals of Mathematical Statistics 38(3)). For the
/// best minimum see [`crate::ControlLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinMax {
    least: usize,
    cap: usize,
}

impl MinMax {
    /// Batches of `least` to `cap` requests.
    ///
    /// # Errors
    /// [`ConfigError`] unless 1 ≤ `least` ≤ `cap`, and `cap` is within [`crate::limits::BATCH`].
    pub fn new(least: usize, cap: usize) -> Result<Self, ConfigError> {
        let cap = checked_size(cap)?;
        let valid = (1..=cap).contains(&least);
        let least = within(MIN_SIZE.path, least, valid, MIN_SIZE.expected())?;
        Ok(Self { least, cap })
    }
}

impl BatchingConfig {
    /// [`MinMax`]: `min_size` to `size` requests.
    #[must_use]
    pub fn min_max(min_size: usize, size: usize) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(MIN_SIZE, Value::Count(min_size))
    }
}

impl Policy for MinMax {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        if queue.waiting >= self.least || !queue.more_to_come {
            Decision::Serve(queue.waiting.min(self.cap))
        } else {
            Decision::WaitForArrival
        }
    }

    fn max_size(&self) -> usize {
        self.cap
    }

    fn min_size(&self) -> usize {
        self.least
    }
}
