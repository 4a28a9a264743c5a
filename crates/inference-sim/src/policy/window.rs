//! Dynamic batching by size or delay.

use units::limits;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{DELAY, PolicyKey, SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::error::{ConfigError, within};

const PREFERRED: PolicyKey =
    PolicyKey::counts("batching.preferred_sizes", "sizes that rise, from 1 to `batching.size`")
        .optional();

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "window",
    "when `size` requests wait or the first has waited `delay_s` seconds; a batch of one \
              of the `preferred_sizes` at once",
    &[SIZE, DELAY, PREFERRED],
);

pub(super) fn build(
    config: &BatchingConfig,
    _context: &PolicyContext<'_>,
) -> Result<Window, ConfigError> {
    let window = Window::new(config.count(SIZE)?, config.number(DELAY)?)?;
    window.preferring(config.counts(PREFERRED))
}

/// Serves a batch when it is full or when its first request has waited for a given delay,
/// whichever comes first, and what is left when no more requests will arrive.
///
/// With preferred sizes, a batch of the largest of them that can be filled is served at once; the
/// rest waits for the next batch. No server has exactly this rule: for theirs see [`crate::Triton`],
/// [`crate::TorchServe`] and [`crate::RayServe`].
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    size: usize,
    delay_s: f64,
    /// Rising.
    preferred: Box<[usize]>,
}

impl Window {
    /// Batches of at most `size` requests, the first of which waits at most `delay_s` seconds
    /// for the others.
    ///
    /// # Errors
    /// [`ConfigError`] for a size outside [`crate::limits::BATCH`] or a delay outside
    /// [`crate::limits::POSITIVE_DURATION_S`].
    pub fn new(size: usize, delay_s: f64) -> Result<Self, ConfigError> {
        let valid = limits::POSITIVE_DURATION_S.check(delay_s).is_ok();
        let delay_s = within(DELAY.path, delay_s, valid, DELAY.expected())?;
        Ok(Self { size: checked_size(size)?, delay_s, preferred: Box::default() })
    }

    /// The same with preferred sizes.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for sizes that do not rise from 1 or are above the largest.
    pub fn preferring(self, sizes: &[usize]) -> Result<Self, ConfigError> {
        let rising = sizes.is_sorted_by(|a, b| a < b);
        let inside = sizes.iter().all(|size| (1..=self.size).contains(size));
        if rising && inside {
            return Ok(Self { preferred: sizes.into(), ..self });
        }
        let found = format!("{sizes:?}");
        Err(ConfigError::Invalid { key: PREFERRED.path, found, expected: PREFERRED.expected() })
    }
}

impl BatchingConfig {
    /// [`Window`]: at most `size` requests, the first of which waits at most `delay_s` seconds.
    #[must_use]
    pub fn window(size: usize, delay_s: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(DELAY, Value::Number(delay_s))
    }

    /// The same window, but a batch of one of these sizes, which must rise, is served at once.
    #[must_use]
    pub fn with_preferred_sizes(self, sizes: &[usize]) -> Self {
        self.with(PREFERRED, Value::Counts(sizes.to_vec()))
    }
}

impl Policy for Window {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        if queue.waiting >= self.size {
            return Decision::Serve(self.size);
        }
        if let Some(&size) = self.preferred.iter().rfind(|&&size| size <= queue.waiting) {
            return Decision::Serve(size);
        }
        let deadline = queue.oldest_s + self.delay_s;
        if queue.now_s >= deadline || !queue.more_to_come {
            Decision::Serve(queue.waiting)
        } else {
            Decision::WaitUntil(deadline)
        }
    }

    fn max_size(&self) -> usize {
        self.size
    }
}
