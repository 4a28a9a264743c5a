//! A cap that learns.

use super::{Decision, Policy, Queue, at_least_one};
use crate::error::{ConfigError, positive};

const TARGET: &str = "a finite number above 0, in seconds";

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
    /// [`ConfigError::Invalid`] for a size of 0 or a target that is not a finite number above 0.
    pub fn new(size: usize, target_s: f64) -> Result<Self, ConfigError> {
        let target_s = positive("batching.target_s", target_s, TARGET)?;
        Ok(Self { size: at_least_one(size)?, target_s, cap: 1 })
    }

    /// The cap now.
    #[must_use]
    pub fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn max_size(&self) -> usize {
        self.size
    }
}

impl Policy for Adaptive {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        Decision::Serve(queue.waiting.min(self.cap))
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
