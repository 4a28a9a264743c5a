//! When waiting requests are served, and how many together.

mod adaptive;
mod batches;
mod control_limit;
mod deadline;
mod energy_aware;
mod window;

pub use self::{
    adaptive::Adaptive,
    batches::{Fixed, Greedy, MinMax},
    control_limit::{ControlLimit, control_limit},
    deadline::Deadline,
    energy_aware::EnergyAware,
    window::Window,
};
pub(crate) use self::{
    batches::MIN_SIZE, deadline::DEADLINE, energy_aware::OBJECTIVE, window::DELAY,
};
use crate::error::{ConfigError, within};

pub(crate) const SIZE: &str = "a number of requests, at least 1";
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
    /// Drop the so many that arrived first, at least 1 and at most those waiting, and ask again
    /// if any are left.
    Drop(usize),
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

pub(super) fn at_least_one(size: usize) -> Result<usize, ConfigError> {
    within("batching.size", size, size > 0, SIZE)
}

/// Any of the policies here, chosen at run time.
#[derive(Clone, Debug, PartialEq)]
pub enum BatchingPolicy {
    /// See [`Fixed`].
    Fixed(Fixed),
    /// See [`Greedy`].
    Greedy(Greedy),
    /// See [`MinMax`].
    MinMax(MinMax),
    /// See [`Window`].
    Window(Window),
    /// See [`Adaptive`].
    Adaptive(Adaptive),
    /// See [`Deadline`].
    Deadline(Deadline),
    /// See [`EnergyAware`].
    EnergyAware(EnergyAware),
}

/// Does the same with whichever policy it is.
macro_rules! each {
    ($policies:expr, $policy:ident => $do:expr) => {
        match $policies {
            $crate::policy::BatchingPolicy::Fixed($policy) => $do,
            $crate::policy::BatchingPolicy::Greedy($policy) => $do,
            $crate::policy::BatchingPolicy::MinMax($policy) => $do,
            $crate::policy::BatchingPolicy::Window($policy) => $do,
            $crate::policy::BatchingPolicy::Adaptive($policy) => $do,
            $crate::policy::BatchingPolicy::Deadline($policy) => $do,
            $crate::policy::BatchingPolicy::EnergyAware($policy) => $do,
        }
    };
}
pub(crate) use each;

impl BatchingPolicy {
    /// The most requests it ever serves together.
    #[must_use]
    pub fn max_size(&self) -> usize {
        each!(self, policy => policy.max_size())
    }

    /// The least it serves together while more requests come.
    pub(crate) fn min_size(&self) -> usize {
        match self {
            Self::Fixed(policy) => policy.max_size(),
            Self::MinMax(policy) => policy.min_size(),
            _ => 1,
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
        each!(self, policy => policy.decide(queue))
    }

    fn served(&mut self, size: usize, service_s: f64) {
        each!(self, policy => policy.served(size, service_s));
    }
}
