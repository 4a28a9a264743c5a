//! The batching that a Triton model configuration sets.

use std::path::PathBuf;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{PolicyKey, Value, checked_size},
    kind::PolicyKind,
    window::Window,
};
use crate::{error::ConfigError, triton::DynamicBatching};

const FILE: PolicyKey = PolicyKey::file("batching.file", "a Triton `config.pbtxt`");

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

/// Serves as a model of the Triton inference server does: by [`Window`], or whatever waits if the
/// configuration sets no delay.
#[derive(Clone, Debug, PartialEq)]
pub struct Triton {
    size: usize,
    /// `None` without a delay.
    window: Option<Window>,
    queue_limit: Option<usize>,
}

impl Triton {
    /// The policy of a configuration.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for preferred sizes that do not rise or are above the largest.
    pub fn new(batching: &DynamicBatching) -> Result<Self, ConfigError> {
        let size = checked_size(batching.max_batch_size)?;
        let delay_s = (batching.delay_us > 0).then_some(batching.delay_us as f64 * 1e-6);
        let window = delay_s
            .map(|delay_s| Window::new(size, delay_s)?.preferring(&batching.preferred_sizes))
            .transpose()?;
        let queue_limit = Some(batching.max_queue_size).filter(|&limit| limit > 0);
        Ok(Self { size, window, queue_limit })
    }
}

impl BatchingConfig {
    /// [`Triton`]: as a `config.pbtxt` says.
    #[must_use]
    pub fn triton(file: impl Into<PathBuf>) -> Self {
        Self::of(KIND).with(FILE, Value::File(file.into()))
    }
}

impl Policy for Triton {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        match &self.window {
            Some(window) => window.decide(queue),
            None => Decision::Serve(queue.waiting.min(self.size)),
        }
    }

    fn max_size(&self) -> usize {
        self.size
    }

    fn queue_limit(&self) -> Option<usize> {
        self.queue_limit
    }
}
