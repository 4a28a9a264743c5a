//! The server behind a live queue.

use std::convert::Infallible;

use rand_chacha::ChaCha8Rng;

use crate::{
    clock::{Clock, VirtualClock},
    pause::PauseEffect,
    random::{Stream, generator},
    service::ServiceLaw,
    slowness::Pace,
};

/// Serves batches of requests, one after another: implement it for a network.
pub trait BatchServer {
    /// Why a batch could not be served.
    type Error;

    /// Serves the requests with these numbers, and returns when all of them are answered.
    ///
    /// Requests are numbered from 0 in order of arrival; each is served at most once, in rising
    /// order. Where requests have several images, these are the numbers of images: those of a request
    /// follow one another, and so do those of requests in order of arrival. A server on an accelerator must wait for it: the time of return is the time of
    /// response.
    ///
    /// # Errors
    /// If the batch could not be served.
    fn serve(&mut self, requests: &[usize]) -> Result<(), Self::Error>;
}

/// A simulated server: each batch sets a virtual clock forward by the time of a service law.
#[derive(Debug)]
pub struct ModeledServer<'c> {
    law: ServiceLaw,
    random: ChaCha8Rng,
    clock: &'c VirtualClock,
    pace: Pace,
    slowness_random: ChaCha8Rng,
    /// When the last batch ended, in seconds on the clock; the effect of a pause on it, and its
    /// seconds.
    last: Option<(f64, (PauseEffect, f64))>,
}

impl<'c> ModeledServer<'c> {
    /// A server with this law on this clock, whose random times follow from the seed.
    #[must_use]
    pub fn new(law: ServiceLaw, seed: u64, clock: &'c VirtualClock) -> Self {
        Self {
            law,
            random: generator(seed, Stream::Service, 0),
            clock,
            pace: Pace::default(),
            slowness_random: generator(seed, Stream::Slowness, 0),
            last: None,
        }
    }
}

impl BatchServer for ModeledServer<'_> {
    type Error = Infallible;

    fn serve(&mut self, requests: &[usize]) -> Result<(), Infallible> {
        let start_s = self.clock.now();
        let pause_s = self.last.map_or(f64::INFINITY, |(end_s, _)| start_s - end_s);
        let last = self.last.map(|(_, last)| last);
        let pause = self.law.pause_effect(requests.len(), pause_s, last);
        let mut service_s = self.law.sample(requests.len(), pause, &mut self.random);
        if let Some(slowness) = self.law.slowness() {
            service_s *= slowness.factor(&mut self.pace, start_s, &mut self.slowness_random);
        }
        self.clock.advance(service_s);
        let end_s = self.clock.now();
        self.last = Some((end_s, (pause, end_s - start_s)));
        Ok(())
    }
}
