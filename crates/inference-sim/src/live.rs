//! A queue served in the time of a clock: live with a real network, or as the plain model of it.

use std::collections::VecDeque;

use record::{BatchTimes, Serving};

use crate::{
    clock::Clock,
    executor::Executor,
    policy::{Decision, Policy, Queue},
};

/// How far a live queue has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Requests served, dropped or rejected.
    pub served: usize,
    /// Requests that have arrived, those too.
    pub arrived: usize,
    /// Requests in all.
    pub requests: usize,
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// End now, with [`LiveError::Stopped`].
    Stop,
}

/// Why a queue was not served to its end.
#[derive(Debug, thiserror::Error)]
pub enum LiveError<E> {
    /// Somebody asked for it.
    #[error("stopped after {} of {} requests", .0.served, .0.requests)]
    Stopped(Progress),
    /// The executor failed.
    #[error("{} requests from number {first} on could not be served", size)]
    Executor {
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
        "request {request} is to arrive at {found} s: expected finite times from 0 that never fall"
    )]
    Arrivals {
        /// Its number, from 0.
        request: usize,
        /// Its intended arrival.
        found: f64,
    },
    /// An answer that a policy must not give; none of the policies here does.
    #[error("the batching policy answered {decision:?} to {queue:?}")]
    Policy {
        /// What it was asked.
        queue: Queue,
        /// What it answered.
        decision: Decision,
    },
}

/// Serves requests as they arrive, in batches, and tells when each was served.
///
/// `arrivals` are the intended times, in seconds after the call, from 0 and in order. A request
/// has arrived when its time has come, whatever the server does then, so waits and responses are
/// free of coordinated omission (Tene 2013): a request that is due while a batch is served starts
/// to wait at that moment. One thread suffices for that, because the arrivals are known
/// beforehand; the policy is only told about those that have happened.
///
/// `control` is asked before each decision: after each batch, each arrival that is waited for, and
/// on a real clock every 0.1 s of a wait. With [`crate::Modeled`] on a [`crate::Virtual`] clock
/// this is the plainest model of a queue, which the simulator is tested against.
///
/// Requests that the policy drops are not in the answer; see [`serve_limited`].
///
/// # Errors
/// See [`LiveError`].
pub fn serve<P, E, C>(
    arrivals: &[f64],
    policy: &mut P,
    executor: &mut E,
    clock: &C,
    control: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Serving, LiveError<E::Error>>
where
    P: Policy + ?Sized,
    E: Executor + ?Sized,
    C: Clock + ?Sized,
{
    Ok(serve_limited(arrivals, usize::MAX, policy, executor, clock, control)?.serving)
}

/// What became of the requests of a live queue.
#[derive(Clone, Debug, PartialEq)]
pub struct Served {
    /// Those that were served.
    pub serving: Serving,
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
pub fn serve_limited<P, E, C>(
    arrivals: &[f64],
    limit: usize,
    policy: &mut P,
    executor: &mut E,
    clock: &C,
    control: &mut dyn FnMut(&Progress) -> Control,
) -> Result<Served, LiveError<E::Error>>
where
    P: Policy + ?Sized,
    E: Executor + ?Sized,
    C: Clock + ?Sized,
{
    check(arrivals)?;
    // Times are compared on the clock. Were they compared after subtracting this, a rounding error
    // could leave a virtual clock forever a little short of an arrival.
    let origin = clock.now();
    let requests = arrivals.len();
    let mut batches = Vec::new();
    let (mut kept, mut dropped, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
    let mut waiting = VecDeque::new();
    let mut arrived = 0;
    let mut busy_until = origin;
    while arrived < requests || !waiting.is_empty() {
        let now = clock.now();
        while arrived < requests && origin + arrivals[arrived] <= now {
            let found_busy = origin + arrivals[arrived] < busy_until;
            if waiting.len() < if found_busy { limit } else { limit.max(1) } {
                waiting.push_back(arrived);
            } else {
                rejected.push(arrived);
            }
            arrived += 1;
        }
        let progress = Progress { served: arrived - waiting.len(), arrived, requests };
        if control(&progress) == Control::Stop {
            return Err(LiveError::Stopped(progress));
        }
        let next = arrivals.get(arrived).map(|time| origin + time);
        let Some(&first) = waiting.front() else {
            next.into_iter().for_each(|next| clock.wait_until(next));
            continue;
        };
        let queue = Queue {
            waiting: waiting.len(),
            oldest_s: origin + arrivals[first],
            now_s: now,
            more_to_come: next.is_some(),
        };
        match (policy.decide(&queue), next) {
            (Decision::Serve(size), _) if (1..=queue.waiting).contains(&size) => {
                let batch = &waiting.make_contiguous()[..size];
                let start_s = clock.now();
                executor.serve(batch).map_err(|source| LiveError::Executor {
                    first,
                    size,
                    source,
                })?;
                busy_until = clock.now();
                policy.served(size, busy_until - start_s);
                // Subtraction must not round to before an arrival either.
                let last = arrivals[batch[size - 1]];
                batches.push(BatchTimes {
                    size,
                    start_s: (start_s - origin).max(last),
                    end_s: (busy_until - origin).max(last),
                });
                kept.extend(waiting.drain(..size).map(|it| arrivals[it]));
            }
            (Decision::Drop(count), _) if (1..=queue.waiting).contains(&count) => {
                dropped.extend(waiting.drain(..count));
            }
            (Decision::WaitUntil(time), _) if time > now => {
                clock.wait_until(next.map_or(time, |next| next.min(time)));
            }
            (Decision::WaitForArrival, Some(next)) => clock.wait_until(next),
            (decision, _) => return Err(LiveError::Policy { queue, decision }),
        }
    }
    Ok(Served { serving: Serving { arrivals_s: kept, batches }, dropped, rejected })
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
