//! Full batches only.

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::error::ConfigError;

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "fixed",
    "full batches of `size` requests, and what is left at the end",
    &[SIZE],
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<Fixed, ConfigError> {
    Fixed::new(config.count(SIZE)?)
}

/// Serves full batches only, and what is left when no more requests will arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    size: usize,
}

impl Fixed {
    /// Batches of `size` requests.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a size outside [`crate::limits::BATCH`].
    pub fn new(size: usize) -> Result<Self, ConfigError> {
        Ok(Self { size: checked_size(size)? })
    }
}

impl BatchingConfig {
    /// [`Fixed`]: full batches of `size` requests.
    #[must_use]
    pub fn fixed(size: usize) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size))
    }
}

impl Policy for Fixed {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        if queue.waiting >= self.size {
            Decision::Serve(self.size)
        } else if queue.more_to_come {
            Decision::WaitForArrival
        } else {
            Decision::Serve(queue.waiting)
        }
    }

    fn max_size(&self) -> usize {
        self.size
    }

    fn min_size(&self) -> usize {
        self.size
    }
}
