//! Dynamic batching by size or delay.

use super::{Decision, Policy, Queue, at_least_one};
use crate::error::{ConfigError, within};

pub(crate) const DELAY: &str = "a finite number of seconds, at least the clock's tick of 1e-9 (for no delay take `policy = \"greedy\"`)";
/// What a monotonic clock tells apart, in seconds.
const TICK_S: f64 = 1e-9;
const PREFERRED: &str = "sizes that rise, from 1 to `batching.size`";

/// Serves a batch when it is full or its first request has waited for so long, whichever comes
/// first, and what is left when no more requests will come.
///
/// With preferred sizes a batch of the largest of them that can be filled is served at once; the
/// rest waits for the next. This is the dynamic batching of Triton (`preferred_batch_size`,
/// `max_queue_delay_microseconds`) and, without preferred sizes, of TorchServe (`batchSize`,
/// `maxBatchDelay`).
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
    /// [`ConfigError::Invalid`] for a size of 0 or a delay that is not a finite number from 1 ns.
    pub fn new(size: usize, delay_s: f64) -> Result<Self, ConfigError> {
        let longer = delay_s.is_finite() && delay_s >= TICK_S;
        let delay_s = within("batching.delay_s", delay_s, longer, DELAY)?;
        Ok(Self { size: at_least_one(size)?, delay_s, preferred: Box::default() })
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
        Err(ConfigError::Invalid { key: "batching.preferred_sizes", found, expected: PREFERRED })
    }

    pub(super) fn max_size(&self) -> usize {
        self.size
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
}
