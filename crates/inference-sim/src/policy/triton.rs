//! The batching that a Triton model configuration sets.

use std::path::PathBuf;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{PolicyKey, Value, checked_size},
    kind::PolicyKind,
};
use crate::{error::ConfigError, triton::DynamicBatching};

pub(super) const FILE: PolicyKey = PolicyKey::file("batching.file", "a Triton `config.pbtxt`");

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "triton",
    "as the Triton model configuration `file` says (`config.pbtxt`)",
    &[FILE],
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<Triton, ConfigError> {
    Triton::new(&DynamicBatching::read(config.file(FILE)?)?)
}

/// Serves as a model of the Triton inference server does, by the rule of its dynamic batcher (`GetDynamicBatch` in
/// `dynamic_batch_scheduler.cc`) for requests of size 1:
///
/// 1. Without a `dynamic_batching` block, or with a largest batch of 0, every request is served alone.
/// 2. Until the first request has waited for the delay, the largest preferred size that can be filled is served, even
///    if more wait. Without preferred sizes, the largest batch is the preferred one.
/// 3. If none can be filled: without a delay, whatever waits is served; with one, it waits until the delay is over,
///    and then as much as fits into a batch is served, also after the last arrival.
#[derive(Clone, Debug, PartialEq)]
pub struct Triton {
    size: usize,
    /// Rising, at least one.
    preferred: Box<[usize]>,
    delay_s: Option<f64>,
    queue_limit: Option<usize>,
}

impl Triton {
    /// The policy of a configuration.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for preferred sizes of 0 or above the largest.
    pub fn new(batching: &DynamicBatching) -> Result<Self, ConfigError> {
        let alone = !batching.dynamic || batching.max_batch_size == 0;
        let size = if alone { 1 } else { checked_size(batching.max_batch_size)? };
        // Triton keeps a set.
        let mut preferred = if alone { Vec::new() } else { batching.preferred_sizes.clone() };
        preferred.sort_unstable();
        preferred.dedup();
        if preferred.iter().any(|preferred| !(1..=size).contains(preferred)) {
            return Err(ConfigError::Invalid {
                key: "dynamic_batching.preferred_batch_size",
                found: format!("{preferred:?}"),
                expected: "sizes from 1 to `max_batch_size`",
            });
        }
        if preferred.is_empty() {
            preferred.push(size);
        }
        let delay_s = (batching.delay_us > 0).then_some(batching.delay_us as f64 * 1e-6);
        let queue_limit = Some(batching.max_queue_size).filter(|&limit| limit > 0);
        Ok(Self { size, preferred: preferred.into(), delay_s, queue_limit })
    }
}

impl BatchingConfig {
    /// [`Triton`]: as a `config.pbtxt` says.
    #[must_use]
    pub fn triton(file: impl Into<PathBuf>) -> Self {
        Self::of(KIND).with(FILE, Value::File(file.into()))
    }

    /// What the file of [`Triton`] says that is not simulated, such as timeouts; empty for other policies.
    ///
    /// # Errors
    /// [`ConfigError::Triton`] for a file that cannot be read.
    pub fn not_simulated(&self) -> Result<Vec<String>, ConfigError> {
        if self.kind() != KIND {
            return Ok(Vec::new());
        }
        Ok(DynamicBatching::read(self.file(FILE)?)?.not_simulated)
    }
}

impl Policy for Triton {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        let pending = queue.waiting.min(self.size);
        let deadline = self.delay_s.map(|delay_s| queue.oldest_s + delay_s);
        let is_late = deadline.is_some_and(|deadline| queue.now_s >= deadline);
        if is_late {
            return Decision::Serve(pending);
        }
        match (self.preferred.iter().rfind(|&&size| size <= pending), deadline) {
            (Some(&size), _) => Decision::Serve(size),
            (None, Some(deadline)) => Decision::WaitUntil(deadline),
            (None, None) => Decision::Serve(pending),
        }
    }

    fn max_size(&self) -> usize {
        self.size
    }

    fn queue_limit(&self) -> Option<usize> {
        self.queue_limit
    }
}
