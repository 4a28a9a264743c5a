//! The interface of a policy: what it sees and what it answers.

use crate::requests::Mark;

/// What a policy sees when a server is free and at least one request waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Queue {
    /// Requests waiting, at least 1. Where requests have several images, the images.
    pub waiting: usize,
    /// When the first of them arrived, in seconds on the clock.
    pub oldest_s: f64,
    /// Since when a free server and the first of them have both been there, in seconds on the clock.
    pub taken_s: f64,
    /// The time on the clock, in seconds.
    pub now_s: f64,
    /// Whether more requests will arrive.
    pub more_to_come: bool,
}

/// A request that waits, for policies that look at single requests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct WaitingRequest {
    /// When it came into this queue, in seconds on the clock.
    pub arrival_s: f64,
    /// Its images, at least 1.
    pub size: usize,
    /// Its level of priority; 0 if it has none.
    pub level: u32,
    /// Its own limit of the time in the queue, in seconds.
    pub timeout_s: Option<f64>,
}

impl WaitingRequest {
    pub(crate) fn new(arrival_s: f64, mark: &Mark) -> Self {
        Self { arrival_s, size: mark.size, level: mark.level, timeout_s: mark.limit_s }
    }
}

/// How a policy keeps a request in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QueueRule {
    /// Requests of lower ranks are served first, those of one rank in order of arrival.
    pub rank: u32,
    /// The most requests of this rank that may wait.
    pub limit: Option<usize>,
    /// Seconds in the queue after which a request is out of time, once a server looks at it.
    pub timeout_s: Option<f64>,
    /// Whether a request that is out of time is served after the others of its rank; otherwise it is
    /// dropped.
    pub delays: bool,
}

/// What a policy answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision {
    /// Serve this many requests, those that arrived first: at least 1 and at most those waiting.
    /// Where requests have several images, the number of images: as many requests as fit into it, at
    /// least one.
    Serve(usize),
    /// Ask again at this time, in seconds on the clock and later than now, or when a request
    /// arrives before that.
    WaitUntil(f64),
    /// Ask again when a request arrives. Only allowed while more requests will arrive.
    WaitForArrival,
    /// Drop this many requests, those that arrived first: at least 1 and at most those waiting.
    /// Then ask again if any are left. Only allowed if [`Policy::drops`].
    Drop(usize),
}

/// Decides when waiting requests are served, and how many together.
///
/// A policy sees neither the clock nor the servers, so that the same policy runs on a live queue
/// ([`crate::serve`]) and on simulated ones ([`crate::simulate_with`]). It may be asked several
/// times at the same moment.
pub trait Policy {
    /// What to do with the queue.
    fn decide(&self, queue: &Queue) -> Decision;

    /// The same with the waiting requests, in the order in which they would be served. Simulations in
    /// which requests differ ask this.
    fn decide_among(
        &self,
        queue: &Queue,
        requests: &mut dyn Iterator<Item = WaitingRequest>,
    ) -> Decision {
        let _ = requests;
        self.decide(queue)
    }

    /// Whether requests have places and limits of their own in the queue: [`Policy::rule`] and
    /// [`Policy::decide_among`] are then asked.
    fn has_rules(&self) -> bool {
        false
    }

    /// The place of a request in the queue, and its limits.
    fn rule(&self, request: &WaitingRequest) -> QueueRule {
        let _ = request;
        QueueRule::default()
    }

    /// Called after a batch of `size` requests was served in `service_s` seconds. A policy that
    /// learns does it here.
    ///
    /// With several servers the simulator may call this only when the batch's server asks for the
    /// next batch.
    fn served(&mut self, size: usize, service_s: f64) {
        let _ = (size, service_s);
    }

    /// The most requests it ever serves together, at least 1.
    ///
    /// The offered load of a simulated queue follows from this, and how many sleeping servers to
    /// wake up.
    fn max_size(&self) -> usize;

    /// The fewest requests it serves together while more will arrive.
    fn min_size(&self) -> usize {
        1
    }

    /// Seconds from arrival after which an answer is worth nothing; `None` if requests have no
    /// deadline. Between queues of equal priority, a server takes the earliest deadline first.
    fn deadline_s(&self) -> Option<f64> {
        None
    }

    /// Whether it answers [`Decision::Drop`], often enough that the queue cannot grow without
    /// limit. Policies with a deadline do, unless they say otherwise.
    fn drops(&self) -> bool {
        self.deadline_s().is_some()
    }

    /// The most requests that may wait, where the policy limits them; the `queue.limit` of the
    /// description takes precedence.
    fn queue_limit(&self) -> Option<usize> {
        None
    }
}

impl<P: Policy + ?Sized> Policy for Box<P> {
    fn decide(&self, queue: &Queue) -> Decision {
        (**self).decide(queue)
    }

    fn decide_among(
        &self,
        queue: &Queue,
        requests: &mut dyn Iterator<Item = WaitingRequest>,
    ) -> Decision {
        (**self).decide_among(queue, requests)
    }

    fn has_rules(&self) -> bool {
        (**self).has_rules()
    }

    fn rule(&self, request: &WaitingRequest) -> QueueRule {
        (**self).rule(request)
    }

    fn served(&mut self, size: usize, service_s: f64) {
        (**self).served(size, service_s);
    }

    fn max_size(&self) -> usize {
        (**self).max_size()
    }

    fn min_size(&self) -> usize {
        (**self).min_size()
    }

    fn deadline_s(&self) -> Option<f64> {
        (**self).deadline_s()
    }

    fn drops(&self) -> bool {
        (**self).drops()
    }

    fn queue_limit(&self) -> Option<usize> {
        (**self).queue_limit()
    }
}

/// An answer that a policy must not give.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the batching policy answered {decision:?} to {queue:?}: expected {}", self.expected())]
pub struct PolicyError {
    /// What it was asked.
    pub queue: Queue,
    /// What it answered.
    pub decision: Decision,
}

impl PolicyError {
    fn expected(&self) -> String {
        let waiting = self.queue.waiting;
        match self.decision {
            Decision::Serve(_) => format!("to serve 1 to {waiting} requests"),
            Decision::Drop(count) if (1..=waiting).contains(&count) => {
                "a policy that drops requests to say so in `drops`".to_owned()
            }
            Decision::Drop(_) => format!("to drop 1 to {waiting} requests"),
            Decision::WaitUntil(_) => format!("a time later than {} s", self.queue.now_s),
            Decision::WaitForArrival => {
                "a decision, because no more requests will arrive".to_owned()
            }
        }
    }
}

impl Decision {
    /// Checks an answer to this queue.
    #[inline]
    pub(crate) fn checked(self, queue: &Queue, drops: bool) -> Result<Self, PolicyError> {
        let counts = 1..=queue.waiting;
        let allowed = match self {
            Self::Serve(size) => counts.contains(&size),
            Self::Drop(count) => drops && counts.contains(&count),
            // Without arrivals, an infinite wait would never end.
            Self::WaitUntil(time) => {
                time > queue.now_s && (time < f64::INFINITY || queue.more_to_come)
            }
            Self::WaitForArrival => queue.more_to_come,
        };
        if allowed { Ok(self) } else { Err(PolicyError { queue: *queue, decision: self }) }
    }
}
