//! Batching by size, or by a delay that begins when a server takes the first request.

use units::limits;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{DELAY, PolicyKey, SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::error::{ConfigError, within};

pub(super) const KEYS: &[PolicyKey] = &[SIZE, DELAY];

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "torchserve",
    "when `size` requests wait or `delay_s` seconds after a free server took the first",
    KEYS,
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<TorchServe, ConfigError> {
    TorchServe::new(config.count(SIZE)?, config.number(DELAY)?)
}

/// Serves a batch when it is full, or a given delay after a free server took its first request, as TorchServe does
/// (`batchSize`, `maxBatchDelay`; `Model.pollBatch`). A request that waited for the server waits for the delay, too.
/// In [`crate::Window`], as in Triton, the delay begins with the request's arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TorchServe {
    size: usize,
    delay_s: f64,
}

impl TorchServe {
    /// Batches of at most `size` requests, for which a server waits at most `delay_s` seconds.
    ///
    /// # Errors
    /// [`ConfigError`] for a size outside [`crate::limits::BATCH`] or a delay outside
    /// [`crate::limits::POSITIVE_DURATION_S`].
    pub fn new(size: usize, delay_s: f64) -> Result<Self, ConfigError> {
        let valid = limits::POSITIVE_DURATION_S.check(delay_s).is_ok();
        let delay_s = within(DELAY.path, delay_s, valid, DELAY.expected())?;
        Ok(Self { size: checked_size(size)?, delay_s })
    }
}

impl BatchingConfig {
    /// [`TorchServe`]: at most `size` requests, for which a free server waits at most `delay_s` seconds.
    #[must_use]
    pub fn torchserve(size: usize, delay_s: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(DELAY, Value::Number(delay_s))
    }
}

impl Policy for TorchServe {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        let deadline = queue.taken_s + self.delay_s;
        if queue.waiting >= self.size || queue.now_s >= deadline {
            Decision::Serve(queue.waiting.min(self.size))
        } else {
            Decision::WaitUntil(deadline)
        }
    }

    fn max_size(&self) -> usize {
        self.size
    }
}
