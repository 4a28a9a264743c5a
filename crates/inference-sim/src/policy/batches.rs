//! Policies that look at the number of waiting requests alone.

use super::{Decision, Policy, Queue, at_least_one};
use crate::error::{ConfigError, within};

pub(crate) const MIN_SIZE: &str = "a number of requests from 1 to `batching.size`";

/// Serves full batches only, and what is left when no more requests will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    size: usize,
}

/// Serves what waits as soon as a server is free, up to a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greedy {
    cap: usize,
}

/// Waits for a least number of requests, then serves what waits up to a cap; what is left when no
/// more requests will come. The general bulk service rule (Neuts 1967, Annals of Mathematical
/// Statistics 38(3)); with the right least number the optimum of [`super::control_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinMax {
    least: usize,
    cap: usize,
}

impl Fixed {
    /// Batches of `size` requests.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a size of 0.
    pub fn new(size: usize) -> Result<Self, ConfigError> {
        Ok(Self { size: at_least_one(size)? })
    }

    pub(super) fn max_size(&self) -> usize {
        self.size
    }
}

impl Greedy {
    /// Batches of at most `cap` requests.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a cap of 0.
    pub fn new(cap: usize) -> Result<Self, ConfigError> {
        Ok(Self { cap: at_least_one(cap)? })
    }

    pub(super) fn max_size(&self) -> usize {
        self.cap
    }
}

impl MinMax {
    /// Batches of `least` to `cap` requests.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] unless 1 ≤ `least` ≤ `cap`.
    pub fn new(least: usize, cap: usize) -> Result<Self, ConfigError> {
        let cap = at_least_one(cap)?;
        let least = within("batching.min_size", least, (1..=cap).contains(&least), MIN_SIZE)?;
        Ok(Self { least, cap })
    }

    pub(super) fn max_size(&self) -> usize {
        self.cap
    }

    pub(super) fn min_size(&self) -> usize {
        self.least
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
}

impl Policy for Greedy {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        Decision::Serve(queue.waiting.min(self.cap))
    }
}

impl Policy for MinMax {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        if queue.waiting >= self.least || !queue.more_to_come {
            Decision::Serve(queue.waiting.min(self.cap))
        } else {
            Decision::WaitForArrival
        }
    }
}
