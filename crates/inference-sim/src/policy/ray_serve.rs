//! The batching of Ray Serve.

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{DELAY, SIZE, Value},
    kind::PolicyKind,
    torch_serve::{KEYS, TorchServe},
};
use crate::error::ConfigError;

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "ray-serve",
    "as `torchserve`: when `size` requests wait or `delay_s` seconds after the first was taken",
    KEYS,
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<RayServe, ConfigError> {
    RayServe::new(config.count(SIZE)?, config.number(DELAY)?)
}

/// Serves as Ray Serve's `@serve.batch` does (`max_batch_size`, `batch_wait_timeout_s`): by the rule of
/// [`TorchServe`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RayServe(TorchServe);

impl RayServe {
    /// Batches of at most `size` requests, for which a server waits at most `delay_s` seconds.
    ///
    /// # Errors
    /// As [`TorchServe::new`].
    pub fn new(size: usize, delay_s: f64) -> Result<Self, ConfigError> {
        TorchServe::new(size, delay_s).map(Self)
    }
}

impl BatchingConfig {
    /// [`RayServe`]: at most `size` requests, for which a free server waits at most `delay_s` seconds.
    #[must_use]
    pub fn ray_serve(size: usize, delay_s: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(DELAY, Value::Number(delay_s))
    }
}

impl Policy for RayServe {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        self.0.decide(queue)
    }

    fn max_size(&self) -> usize {
        self.0.max_size()
    }
}
