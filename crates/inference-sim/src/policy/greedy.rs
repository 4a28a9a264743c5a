//! Whatever waits, at once.

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::error::ConfigError;

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "greedy",
    "whatever waits as soon as a server is free, at most `size` requests",
    &[SIZE],
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<Greedy, ConfigError> {
    Greedy::new(config.count(SIZE)?)
}

/// Serves whatever waits as soon as a server is free, up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greedy {
    cap: usize,
}

impl Greedy {
    /// Batches of at most `cap` requests.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a cap outside [`crate::limits::BATCH`].
    pub fn new(cap: usize) -> Result<Self, ConfigError> {
        Ok(Self { cap: checked_size(cap)? })
    }
}

impl BatchingConfig {
    /// [`Greedy`]: whatever waits, at most `size` requests.
    #[must_use]
    pub fn greedy(size: usize) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size))
    }
}

impl Policy for Greedy {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        Decision::Serve(queue.waiting.min(self.cap))
    }

    fn max_size(&self) -> usize {
        self.cap
    }
}
