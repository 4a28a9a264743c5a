//! A cap that adapts to a target service time.

use units::limits;

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{PolicyKey, SIZE, Value, checked_size},
    kind::PolicyKind,
};
use crate::error::{ConfigError, limited};

const TARGET: PolicyKey =
    PolicyKey::number("batching.target_s", "a number of seconds above 0").optional();

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "adaptive",
    "whatever waits up to a cap that adapts to batches of `target_s` seconds (by default \
              the mean time of a batch of `size`)",
    &[SIZE, TARGET],
);

pub(super) fn build(
    config: &BatchingConfig,
    context: &PolicyContext<'_>,
) -> Result<Adaptive, ConfigError> {
    let size = config.count(SIZE)?;
    let target_s = config.optional_number(TARGET);
    // Times on the clock are rounded: exactly the mean would be too long half the time.
    let target_s = target_s.unwrap_or_else(|| 1.000_001 * context.law.mean_s(size));
    Adaptive::new(size, target_s)
}

/// Greedy, with a cap that grows by one after each full batch served within a target and shrinks
/// by a tenth after each that took longer.
///
/// Additive increase, multiplicative decrease as in Clipper (Crankshaw et al. 2017, NSDI,
/// section 4.3). The cap starts at 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    size: usize,
    target_s: f64,
    cap: usize,
}

impl Adaptive {
    /// A cap of at most `size` requests, adapted to a service time of `target_s` seconds.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a size outside [`crate::limits::BATCH`] or a target outside
    /// [`crate::limits::POSITIVE_DURATION_S`].
    pub fn new(size: usize, target_s: f64) -> Result<Self, ConfigError> {
        let target_s = limited(TARGET.path, target_s, limits::POSITIVE_DURATION_S)?;
        Ok(Self { size: checked_size(size)?, target_s, cap: 1 })
    }

    /// The current cap.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.cap
    }
}

impl BatchingConfig {
    /// [`Adaptive`]: a cap of at most `size` requests, adapted to a service time of `target_s`
    /// seconds.
    #[must_use]
    pub fn adaptive(size: usize, target_s: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(TARGET, Value::Number(target_s))
    }
}

impl Policy for Adaptive {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        Decision::Serve(queue.waiting.min(self.cap))
    }

    fn max_size(&self) -> usize {
        self.size
    }

    fn served(&mut self, size: usize, service_s: f64) {
        if service_s > self.target_s {
            self.cap = (self.cap * 9 / 10).max(1);
        } else if size == self.cap {
            self.cap = (self.cap + 1).min(self.size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adaptive_cap_climbs_by_one_and_falls_by_a_tenth() {
        let mut policy = Adaptive::new(64, 1.0).unwrap();
        for size in 1..=40 {
            policy.served(size, 0.5);
        }
        assert_eq!(policy.cap(), 41);
        policy.served(7, 0.5);
        assert_eq!(policy.cap(), 41, "a batch that was not full says nothing about the cap");
        policy.served(41, 1.5);
        assert_eq!(policy.cap(), 36);
        for _ in 0..100 {
            policy.served(1, 1.5);
        }
        assert_eq!(policy.cap(), 1);
    }
}
