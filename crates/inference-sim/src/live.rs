//! A queue served in the time of a clock: live with a real network, or as the plain model of it.

use std::ops::Range;

use record::{BatchTimes, Serving};

use crate::{
    clock::Clock,
    executor::Executor,
    policy::{Decision, Policy, Queue},
};

/// How far a live queue has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Requests served.
    pub served: usize,
    /// Requests that have arrived, those served too.
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
    #[error("requests {} to {} could not be served", requests.start, requests.end - 1)]
    Executor {
        /// The batch's requests, numbered from 0.
        requests: Range<usize>,
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
/// Requests that the policy drops are not in the answer; see [`serve_or_drop`].
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
    Ok(serve_or_drop(arrivals, policy, executor, clock, control)?.0)
}

/// The same as [`serve`], and the numbers of the requests that the policy dropped, in order.
///
/// # Errors
/// See [`LiveError`].
pub fn serve_or_drop<P, E, C>(
    arrivals: &[f64],
    policy: &mut P,
    executor: &mut E,
    clock: &C,
    control: &mut dyn FnMut(&Progress) -> Control,
) -> Result<(Serving, Vec<usize>), LiveError<E::Error>>
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
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    let (mut served, mut arrived) = (0, 0);
    while served < requests {
        let now = clock.now();
        arrived += arrivals[arrived..].iter().take_while(|&time| origin + time <= now).count();
        let progress = Progress { served, arrived, requests };
        if control(&progress) == Control::Stop {
            return Err(LiveError::Stopped(progress));
        }
        let next = arrivals.get(arrived).map(|time| origin + time);
        let queue = Queue {
            waiting: arrived - served,
            oldest_s: origin + arrivals[served],
            now_s: now,
            more_to_come: next.is_some(),
        };
        if let (0, Some(next)) = (queue.waiting, next) {
            clock.wait_until(next);
            continue;
        }
        match (policy.decide(&queue), next) {
            (Decision::Serve(size), _) if (1..=queue.waiting).contains(&size) => {
                let batch = served..served + size;
                let start_s = clock.now();
                executor
                    .serve(batch.clone())
                    .map_err(|source| LiveError::Executor { requests: batch, source })?;
                let end_s = clock.now();
                policy.served(size, end_s - start_s);
                kept.extend_from_slice(&arrivals[served..served + size]);
                served += size;
                batches.push(BatchTimes {
                    size,
                    // Subtraction must not round to before an arrival either.
                    start_s: (start_s - origin).max(arrivals[served - 1]),
                    end_s: (end_s - origin).max(arrivals[served - 1]),
                });
            }
            (Decision::Drop(count), _) if (1..=queue.waiting).contains(&count) => {
                dropped.extend(served..served + count);
                served += count;
            }
            (Decision::WaitUntil(time), _) if time > now => {
                clock.wait_until(next.map_or(time, |next| next.min(time)));
            }
            (Decision::WaitForArrival, Some(next)) => clock.wait_until(next),
            (decision, _) => return Err(LiveError::Policy { queue, decision }),
        }
    }
    Ok((Serving { arrivals_s: kept, batches }, dropped))
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
