//! The queue's loop, the same on the real and on the virtual clock.

use std::{convert::Infallible, ops::Range};

use record::{BatchTimes, Serving};

use crate::{
    clock::{Clock, Virtual},
    policy::{Decision, Policy},
};

/// Serves batches.
pub trait Executor {
    /// Why a batch could not be served.
    type Error: std::error::Error;

    /// Serves the requests of these numbers, in order of arrival; returns when they are answered.
    ///
    /// # Errors
    ///
    /// If it cannot; the queue then stops.
    fn serve(&mut self, requests: Range<usize>) -> Result<(), Self::Error>;
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LiveError<E: std::error::Error> {
    /// Somebody asked for it.
    #[error("stopped")]
    Stopped,
    /// The server failed.
    #[error(transparent)]
    Executor(E),
}

/// Serves every request and tells when.
///
/// Requests arrive at their intended times whatever the server does: the producer is never blocked,
/// and a late start of the loop does not shift an arrival. `control` is asked before each decision.
///
/// # Errors
///
/// If the server fails, or `control` asks for an end.
pub fn serve<E: Executor>(
    arrivals: &[f64],
    policy: Policy,
    executor: &mut E,
    clock: &impl Clock,
    control: &mut dyn FnMut() -> Control,
) -> Result<Serving, LiveError<E::Error>> {
    let start = clock.now();
    let (mut arrived, mut served) = (0, 0);
    let mut batches = Vec::new();
    while served < arrivals.len() {
        if control() == Control::Stop {
            return Err(LiveError::Stopped);
        }
        let now = clock.now() - start;
        arrived += arrivals[arrived..].iter().take_while(|it| **it <= now).count();
        match policy.decide(arrived - served, arrived < arrivals.len()) {
            Decision::Serve(size) => {
                let size = size.min(arrived - served);
                let start_s = clock.now() - start;
                executor.serve(served..served + size).map_err(LiveError::Executor)?;
                batches.push(BatchTimes { size, start_s, end_s: clock.now() - start });
                served += size;
            }
            Decision::Wait => clock.wait_until(start + arrivals[arrived]),
        }
    }
    Ok(Serving { arrivals_s: arrivals.to_vec(), batches })
}

/// A server whose batch of n takes `base + n · per_request` seconds of a virtual clock.
#[derive(Clone, Debug)]
pub struct Modeled {
    clock: Virtual,
    base_s: f64,
    per_request_s: f64,
}

impl Modeled {
    /// Such a server on that clock.
    #[must_use]
    pub fn new(clock: Virtual, base_s: f64, per_request_s: f64) -> Self {
        Self { clock, base_s, per_request_s }
    }
}

impl Executor for Modeled {
    type Error = Infallible;

    fn serve(&mut self, requests: Range<usize>) -> Result<(), Infallible> {
        let time = self.base_s + requests.len() as f64 * self.per_request_s;
        self.clock.wait_until(self.clock.now() + time);
        Ok(())
    }
}
