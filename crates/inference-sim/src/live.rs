//! A queue served in the time of a clock: live with a real network, or simulated in the plainest way.

use std::{collections::VecDeque, ops::ControlFlow};

use units::{BatchTimes, Serving};

use crate::{
    clock::Clock,
    live_load::LiveLoad,
    policy::{Decision, Policy, PolicyError, Queue, WaitingRequest},
    requests::Mark,
    server::BatchServer,
};

/// How far a live queue has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueProgress {
    /// Requests that no longer wait: served, dropped or rejected.
    pub served: usize,
    /// Requests that have arrived.
    pub arrived: usize,
    /// Requests in all.
    pub requests: usize,
}

/// Why a queue was not served to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiveError<E> {
    /// The caller stopped it.
    #[error("stopped after {} of {} requests", .0.served, .0.requests)]
    Stopped(QueueProgress),
    /// A scenario that would need more queries than the memory holds.
    #[error("the scenario needs more than {limit} queries: lower its rate or its minimum duration")]
    TooManyQueries {
        /// The most queries.
        limit: usize,
    },
    /// The server failed.
    #[error("failed to serve a batch of {size} requests, from request {first} on")]
    Server {
        /// The number of the batch's first request, from 0.
        first: usize,
        /// Requests in the batch.
        size: usize,
        /// Why.
        #[source]
        source: E,
    },
    /// Intended arrivals that are not times in order.
    #[error(
        "the arrival of request {request} is {found} s: expected a finite time, at least 0 and no \
         earlier than the one before"
    )]
    Arrivals {
        /// Its number, from 0.
        request: usize,
        /// Its intended arrival.
        found: f64,
    },
    /// The policy gave an answer that it must not give; no policy of this crate does.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// Serves requests as they arrive, in batches, and returns when each was served.
///
/// `arrivals` are the intended times, in seconds after the call, from 0 and in order. A request
/// arrives at its time even if the server is busy then, so waits and responses are free of
/// coordinated omission (Tene 2013): a request that is due while a batch is served starts to wait
/// at that moment. One thread suffices for that, because the arrivals are known beforehand; the
/// policy only sees those that have happened.
///
/// `control` is called before each decision: after each batch, after each arrival that is waited
/// for, and on a real clock every 0.1 s of a wait. [`ControlFlow::Break`] ends the queue with
/// [`LiveError::Stopped`]. With [`crate::ModeledServer`] on a [`crate::VirtualClock`] this is the
/// plainest model of a queue, which the simulator is tested against.
///
/// Requests that the policy drops are not in the result; see [`serve_limited`].
///
/// # Errors
/// See [`LiveError`].
pub fn serve<P, S, C>(
    arrivals: &[f64],
    policy: &mut P,
    server: &mut S,
    clock: &C,
    control: &mut dyn FnMut(&QueueProgress) -> ControlFlow<()>,
) -> Result<Serving, LiveError<S::Error>>
where
    P: Policy + ?Sized,
    S: BatchServer + ?Sized,
    C: Clock + ?Sized,
{
    Ok(serve_limited(arrivals, usize::MAX, policy, server, clock, control)?.serving)
}

/// What became of the requests of a live queue.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServedQueue {
    /// Those that were served.
    pub serving: Serving,
    /// Images of each batch, in the order of the batches.
    pub items: Vec<usize>,
    /// Numbers of those that the policy dropped, rising.
    pub dropped: Vec<usize>,
    /// Numbers of those that found the queue full, rising.
    pub rejected: Vec<usize>,
}

/// The same as [`serve`] with a queue in which at most `limit` requests wait, those in service not
/// counted; more are rejected as they arrive. A request that finds the server free is not.
///
/// # Errors
/// See [`LiveError`].
pub fn serve_limited<P, S, C>(
    arrivals: &[f64],
    limit: usize,
    policy: &mut P,
    server: &mut S,
    clock: &C,
    control: &mut dyn FnMut(&QueueProgress) -> ControlFlow<()>,
) -> Result<ServedQueue, LiveError<S::Error>>
where
    P: Policy + ?Sized,
    S: BatchServer + ?Sized,
    C: Clock + ?Sized,
{
    check(arrivals)?;
    serve_load(LiveLoad::at(arrivals), limit, policy, server, clock, control)
}

/// Serves as [`serve_limited`] does, with requests of any process, such as clients that wait for their
/// answers: a client sends its next request one thinking time after its last one was answered or lost.
///
/// Requests may have several images (see [`LiveLoad::with_sizes`]). Policies then count images, as in a
/// simulation: of those that they ask for, as many requests are served as fit, at least one.
///
/// # Errors
/// See [`LiveError`].
pub fn serve_load<P, S, C>(
    mut load: LiveLoad,
    limit: usize,
    policy: &mut P,
    server: &mut S,
    clock: &C,
    control: &mut dyn FnMut(&QueueProgress) -> ControlFlow<()>,
) -> Result<ServedQueue, LiveError<S::Error>>
where
    P: Policy + ?Sized,
    S: BatchServer + ?Sized,
    C: Clock + ?Sized,
{
    // Times are compared on the clock. Were they compared after subtracting this, a rounding error
    // could leave a virtual clock forever a little short of an arrival.
    let origin = clock.now();
    let requests = load.left();
    // Of all requests that have come, in seconds after the start.
    let mut arrivals: Vec<f64> = Vec::new();
    let mut batches = Vec::new();
    let (mut kept, mut dropped, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    let mut items = Vec::new();
    let mut waiting = Waiting::new(load.has_sizes());
    let mut busy_until = origin;
    while load.left() > 0 || !waiting.is_empty() {
        let now = clock.now();
        while let Some(time) = load.next_s().filter(|time| origin + time <= now) {
            load.take();
            let found_busy = origin + time < busy_until;
            if waiting.len() < if found_busy { limit } else { limit.max(1) } {
                waiting.push(arrivals.len(), load.size(arrivals.len()), time);
            } else {
                rejected.push(arrivals.len());
                load.answered(1, time);
            }
            arrivals.push(time);
        }
        let arrived = arrivals.len();
        let progress = QueueProgress { served: arrived - waiting.len(), arrived, requests };
        if control(&progress).is_break() {
            return Err(LiveError::Stopped(progress));
        }
        let next = load.next_s().map(|time| origin + time);
        let Some(first) = waiting.first() else {
            next.into_iter().for_each(|next| clock.wait_until(next));
            continue;
        };
        let queue = Queue {
            waiting: waiting.images,
            oldest_s: origin + arrivals[first],
            taken_s: busy_until.max(origin + arrivals[first]),
            now_s: now,
            more_to_come: next.is_some(),
        };
        let decision = waiting.decision(policy, &queue, origin).checked(&queue, policy.drops())?;
        match (decision, next) {
            (Decision::Serve(images), _) => {
                let size = waiting.count_within(images);
                let (batch, images) = waiting.take(size);
                let start_s = clock.now();
                server.serve(&images).map_err(|source| LiveError::Server {
                    first,
                    size,
                    source,
                })?;
                busy_until = clock.now();
                policy.served(images.len(), busy_until - start_s);
                items.push(images.len());
                // Subtraction must not round to before an arrival either.
                let last = batch.last().map_or(0.0, |&request| arrivals[request]);
                batches.push(BatchTimes {
                    size,
                    start_s: (start_s - origin).max(last),
                    end_s: (busy_until - origin).max(last),
                });
                kept.extend(batch.iter().map(|&request| arrivals[request]));
                load.answered(size, busy_until - origin);
            }
            (Decision::Drop(images), _) => {
                let count = waiting.count_within(images);
                dropped.extend(waiting.take(count).0);
                load.answered(count, now - origin);
            }
            (Decision::WaitUntil(time), _) => {
                clock.wait_until(next.map_or(time, |next| next.min(time)));
            }
            (Decision::WaitForArrival, Some(next)) => clock.wait_until(next),
            // `checked` refuses this.
            (Decision::WaitForArrival, None) => {
                return Err(PolicyError { queue, decision }.into());
            }
        }
    }
    Ok(ServedQueue { serving: Serving { arrivals_s: kept, batches }, items, dropped, rejected })
}

/// The requests that wait, in order of arrival.
struct Waiting {
    /// Their numbers, the numbers of their first images, and how many they are.
    requests: VecDeque<(usize, usize, usize)>,
    /// As policies see them; empty if all have one image.
    seen: VecDeque<WaitingRequest>,
    have_sizes: bool,
    /// Images of all of them.
    images: usize,
    /// Images of all requests so far.
    numbered: usize,
}

impl Waiting {
    fn new(have_sizes: bool) -> Self {
        let (requests, seen) = (VecDeque::new(), VecDeque::new());
        Self { requests, seen, have_sizes, images: 0, numbered: 0 }
    }

    fn len(&self) -> usize {
        self.requests.len()
    }

    fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// The number of the first.
    fn first(&self) -> Option<usize> {
        Some(self.requests.front()?.0)
    }

    /// `time_s` is its arrival after the start.
    fn push(&mut self, request: usize, images: usize, time_s: f64) {
        self.requests.push_back((request, self.numbered, images));
        self.numbered += images;
        self.images += images;
        if self.have_sizes {
            let mark = Mark { size: images, level: 0, limit_s: None };
            self.seen.push_back(WaitingRequest::new(time_s, &mark));
        }
    }

    /// What a policy decides; `origin` is the start on the clock.
    fn decision<P: Policy + ?Sized>(&self, policy: &P, queue: &Queue, origin: f64) -> Decision {
        if !self.have_sizes {
            return policy.decide(queue);
        }
        let on_clock = |request: &WaitingRequest| WaitingRequest {
            arrival_s: origin + request.arrival_s,
            ..*request
        };
        policy.decide_among(queue, &mut self.seen.iter().map(on_clock))
    }

    /// How many requests fit into a batch of this many images, at least one.
    fn count_within(&self, images: usize) -> usize {
        let mut left = images;
        let fit = self.requests.iter().take_while(|(_, _, size)| {
            let rest = left.checked_sub(*size);
            left = rest.unwrap_or(left);
            rest.is_some()
        });
        fit.count().max(1)
    }

    /// The first `count` leave; returns their numbers, and those of their images.
    fn take(&mut self, count: usize) -> (Vec<usize>, Vec<usize>) {
        let (mut requests, mut images) = (Vec::with_capacity(count), Vec::with_capacity(count));
        self.seen.drain(..count.min(self.seen.len()));
        for (request, first, size) in self.requests.drain(..count) {
            requests.push(request);
            images.extend(first..first + size);
        }
        self.images -= images.len();
        (requests, images)
    }
}

fn check<E>(arrivals: &[f64]) -> Result<(), LiveError<E>> {
    let mut last = 0.0;
    for (request, &found) in arrivals.iter().enumerate() {
        if !(found.is_finite() && found >= last) {
            return Err(LiveError::Arrivals { request, found });
        }
        last = found;
    }
    Ok(())
}
