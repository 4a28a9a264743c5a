//! What serves a batch.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;

use crate::{
    clock::{Clock, Virtual},
    random::{Stream, generator},
    service::ServiceLaw,
};

/// Serves batches of requests, one after another.
pub trait Executor {
    /// Why a batch could not be served.
    type Error;

    /// Serves the requests with these numbers, and returns when all of them are answered.
    ///
    /// Requests are numbered from 0 in order of arrival; each is asked for at most once, in
    /// rising order. An executor on an accelerator must wait for it: the time of return is the time of response.
    ///
    /// # Errors
    /// Whatever keeps it from answering.
    fn serve(&mut self, requests: &[usize]) -> Result<(), Self::Error>;
}

/// A modelled server: lets the time of a service law pass on a virtual clock.
#[derive(Debug)]
pub struct Modeled<'c> {
    law: ServiceLaw,
    random: ChaCha8Rng,
    clock: &'c Virtual,
    /// Seconds on the clock.
    last_end_s: Option<f64>,
}

impl<'c> Modeled<'c> {
    /// A server with this law on this clock, whose random times follow from the seed.
    #[must_use]
    pub fn new(law: ServiceLaw, seed: u64, clock: &'c Virtual) -> Self {
        Self { law, random: generator(seed, Stream::Service, 0), clock, last_end_s: None }
    }
}

impl Executor for Modeled<'_> {
    type Error = Infallible;

    fn serve(&mut self, requests: &[usize]) -> Result<(), Infallible> {
        let pause_s = self.last_end_s.map_or(f64::INFINITY, |it| self.clock.now() - it);
        self.clock.advance(self.law.sample(requests.len(), pause_s, &mut self.random));
        self.last_end_s = Some(self.clock.now());
        Ok(())
    }
}
