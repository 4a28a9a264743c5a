//! Requests that are worth nothing when late.

use super::{Decision, Policy, Queue, at_least_one};
use crate::{
    error::{ConfigError, positive},
    service::ServiceLaw,
};

pub(crate) const DEADLINE: &str = "a finite number above 0, in seconds from arrival to answer";

/// Serves the largest batch that still answers its first request in time. Drops requests that
/// could not be answered in time even alone and, while more than a full batch waits, those that
/// would make it smaller (early drop: Shen et al. 2019, Nexus, SOSP, section 6.3); else an
/// overloaded server would only serve small batches of old requests.
///
/// The mean times of the batches are known beforehand. The requests of one queue have equal
/// deadlines, so that the first is the earliest; between queues a server takes the earliest
/// deadline first (Liu and Layland 1973, JACM 20(1)).
#[derive(Clone, Debug, PartialEq)]
pub struct Deadline {
    deadline_s: f64,
    /// Mean seconds of a batch of 1, 2, ...
    times_s: Box<[f64]>,
}

impl Deadline {
    /// Batches of at most `size` requests, answered within `deadline_s` seconds of arrival.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a size of 0 or a deadline that is not a finite number above 0.
    pub fn new(size: usize, deadline_s: f64, law: &ServiceLaw) -> Result<Self, ConfigError> {
        let deadline_s = positive("batching.deadline_s", deadline_s, DEADLINE)?;
        let times_s = (1..=at_least_one(size)?).map(|size| law.mean_s(size)).collect();
        Ok(Self { deadline_s, times_s })
    }

    pub(super) fn max_size(&self) -> usize {
        self.times_s.len()
    }

    pub(crate) fn deadline_s(&self) -> f64 {
        self.deadline_s
    }
}

impl Policy for Deadline {
    fn decide(&self, queue: &Queue) -> Decision {
        let left = queue.oldest_s + self.deadline_s - queue.now_s;
        let within = &self.times_s[..queue.waiting.min(self.times_s.len())];
        let overloaded = queue.waiting > self.times_s.len();
        match within.iter().rposition(|&time| time <= left) {
            Some(last) if overloaded && last + 1 < within.len() => Decision::Drop(1),
            Some(last) => Decision::Serve(last + 1),
            None => Decision::Drop(1),
        }
    }
}
