//! What serves a batch.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;

use crate::{
    clock::{Clock, Virtual},
    pause::Rest,
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
    /// When the last batch ended, in seconds on the clock; how rested it began, and its seconds.
    last: Option<(f64, (Rest, f64))>,
}

impl<'c> Modeled<'c> {
    /// A server with this law on this clock, whose random times follow from the seed.
    #[must_use]
    pub fn new(law: ServiceLaw, seed: u64, clock: &'c Virtual) -> Self {
        Self { law, random: generator(seed, Stream::Service, 0), clock, last: None }
    }
}

impl Executor for Modeled<'_> {
    type Error = Infallible;

    fn serve(&mut self, requests: &[usize]) -> Result<(), Infallible> {
        let start_s = self.clock.now();
        let pause_s = self.last.map_or(f64::INFINITY, |(end_s, _)| start_s - end_s);
        let rest = self.law.rest(requests.len(), pause_s, self.last.map(|(_, last)| last));
        self.clock.advance(self.law.sample(requests.len(), rest, &mut self.random));
        let end_s = self.clock.now();
        self.last = Some((end_s, (rest, end_s - start_s)));
        Ok(())
    }
}
