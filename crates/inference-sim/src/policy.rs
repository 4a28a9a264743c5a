//! When waiting requests are served, and how many together.

use crate::error::{ConfigError, positive, within};

pub(crate) const SIZE: &str = "a number of requests, at least 1";
pub(crate) const DELAY: &str = "a finite number of seconds, at least the clock's tick of 1e-9 (for no delay take `policy = \"greedy\"`)";
/// What a monotonic clock tells apart, in seconds.
const TICK_S: f64 = 1e-9;
pub(crate) const TARGET: &str = "a finite number above 0, in seconds";

/// What a policy knows when a server is free and at least one request waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// Requests waiting, at least 1.
    pub waiting: usize,
    /// When the first of them arrived, in seconds on the clock.
    pub oldest_s: f64,
    /// The time on the clock, in seconds.
    pub now_s: f64,
    /// Whether more requests will come.
    pub more_to_come: bool,
}

/// What a policy answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Serve the so many that arrived first, at least 1 and at most those waiting.
    Serve(usize),
    /// Ask again at this time, in seconds on the clock and later than now, or when a request
    /// arrives before that.
    WaitUntil(f64),
    /// Ask again when a request arrives; not an answer if none will.
    WaitForArrival,
}

/// Decides when waiting requests are served, and how many together.
///
/// A policy sees no clock and no server, so that the same one runs live and simulated.
pub trait Policy {
    /// What to do with the queue.
    fn decide(&self, queue: &Queue) -> Decision;

    /// Tells that a batch was served, and in how many seconds.
    fn served(&mut self, size: usize, service_s: f64) {
        let _ = (size, service_s);
    }
}

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

/// Serves a batch when it is full or its first request has waited for so long, whichever comes
/// first, and what is left when no more requests will come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    size: usize,
    delay_s: f64,
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

impl Fixed {
    /// Batches of `size` requests.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a size of 0.
    pub fn new(size: usize) -> Result<Self, ConfigError> {
        Ok(Self { size: at_least_one(size)? })
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
        Ok(Self { size: at_least_one(size)?, delay_s })
    }
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
}

fn at_least_one(size: usize) -> Result<usize, ConfigError> {
    within("batching.size", size, size > 0, SIZE)
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

impl Policy for Window {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        let deadline = queue.oldest_s + self.delay_s;
        if queue.waiting >= self.size || queue.now_s >= deadline || !queue.more_to_come {
            Decision::Serve(queue.waiting.min(self.size))
        } else {
            Decision::WaitUntil(deadline)
        }
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

/// Any of the policies here, chosen at run time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchingPolicy {
    /// See [`Fixed`].
    Fixed(Fixed),
    /// See [`Greedy`].
    Greedy(Greedy),
    /// See [`Window`].
    Window(Window),
    /// See [`Adaptive`].
    Adaptive(Adaptive),
}

impl BatchingPolicy {
    /// The most requests it ever serves together.
    #[must_use]
    pub fn max_size(&self) -> usize {
        match self {
            Self::Fixed(policy) => policy.size,
            Self::Greedy(policy) => policy.cap,
            Self::Window(policy) => policy.size,
            Self::Adaptive(policy) => policy.size,
        }
    }
}

impl TryFrom<record::BatchPolicy> for BatchingPolicy {
    type Error = ConfigError;

    /// # Errors
    /// [`ConfigError::Invalid`] for a size of 0.
    fn try_from(policy: record::BatchPolicy) -> Result<Self, ConfigError> {
        Ok(match policy {
            record::BatchPolicy::Fixed(size) => Self::Fixed(Fixed::new(size)?),
            record::BatchPolicy::Greedy(cap) => Self::Greedy(Greedy::new(cap)?),
        })
    }
}

impl Policy for BatchingPolicy {
    fn decide(&self, queue: &Queue) -> Decision {
        match self {
            Self::Fixed(policy) => policy.decide(queue),
            Self::Greedy(policy) => policy.decide(queue),
            Self::Window(policy) => policy.decide(queue),
            Self::Adaptive(policy) => policy.decide(queue),
        }
    }

    fn served(&mut self, size: usize, service_s: f64) {
        match self {
            Self::Fixed(policy) => policy.served(size, service_s),
            Self::Greedy(policy) => policy.served(size, service_s),
            Self::Window(policy) => policy.served(size, service_s),
            Self::Adaptive(policy) => policy.served(size, service_s),
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
