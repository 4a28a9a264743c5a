//! The requests of a live queue: at known times, or from clients that wait for answers.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand_chacha::ChaCha8Rng;

use crate::{
    arrival::{ArrivalProcess, exponential},
    config::SimulationConfig,
    error::ConfigError,
    random::{Stream, generator},
    service::Time,
};

/// The requests of a live queue, for [`crate::serve_load`].
#[derive(Clone, Debug)]
pub struct LiveLoad {
    kind: Kind,
    /// Images of each request, in order of arrival; empty if each has one.
    sizes: Vec<u32>,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Times in seconds after the start, the last first.
    Times(Vec<f64>),
    Clients(Box<Thinkers>),
}

/// Clients that send a request, wait for its answer, think, and send the next one.
#[derive(Clone, Debug)]
struct Thinkers {
    /// When those that think send their next requests.
    sends: BinaryHeap<Reverse<Time>>,
    think_s: f64,
    random: ChaCha8Rng,
    /// Requests that are still to be sent.
    left: usize,
}

impl LiveLoad {
    /// The first `requests` requests of a process: at its times for a seed, or from its clients, which
    /// begin with thinking.
    #[must_use]
    pub fn new(process: &ArrivalProcess, requests: usize, seed: u64) -> Self {
        let Some(clients) = process.clients() else {
            return Self::at(&process.times(seed).take(requests).collect::<Vec<_>>());
        };
        let thinkers = Thinkers {
            sends: BinaryHeap::new(),
            think_s: clients.think_s,
            random: generator(seed, Stream::Clients, 0),
            left: requests,
        };
        let mut load = Self { kind: Kind::Clients(Box::new(thinkers)), sizes: Vec::new() };
        load.answered(clients.count, 0.0);
        load
    }

    /// Requests at these times, which are finite and do not decrease.
    pub(crate) fn at(times: &[f64]) -> Self {
        Self { kind: Kind::Times(times.iter().rev().copied().collect()), sizes: Vec::new() }
    }

    /// The same requests, of as many images as given, in order of arrival. Requests beyond those have
    /// one.
    #[must_use]
    pub fn with_sizes(self, sizes: Vec<u32>) -> Self {
        Self { sizes, ..self }
    }

    /// Images of the largest request.
    #[must_use]
    pub fn largest(&self) -> usize {
        self.sizes.iter().copied().max().unwrap_or(1).max(1) as usize
    }

    /// Whether some requests may have several images.
    pub(crate) fn has_sizes(&self) -> bool {
        !self.sizes.is_empty()
    }

    /// Images of the request with this number.
    pub(crate) fn size(&self, request: usize) -> usize {
        self.sizes.get(request).map_or(1, |&size| size.max(1) as usize)
    }

    /// Requests that are still to come.
    pub(crate) fn left(&self) -> usize {
        match &self.kind {
            Kind::Times(times) => times.len(),
            Kind::Clients(clients) => clients.left,
        }
    }

    /// When the next request comes; `None` if no more come, or if the next one is sent only after an answer.
    pub(crate) fn next_s(&self) -> Option<f64> {
        match &self.kind {
            Kind::Times(times) => times.last().copied(),
            Kind::Clients(clients) => {
                clients.sends.peek().filter(|_| clients.left > 0).map(|Reverse(time)| time.0)
            }
        }
    }

    /// The next request has come.
    pub(crate) fn take(&mut self) {
        match &mut self.kind {
            Kind::Times(times) => {
                times.pop();
            }
            Kind::Clients(clients) => {
                clients.sends.pop();
                clients.left = clients.left.saturating_sub(1);
            }
        }
    }

    /// Clients got answers, or lost their requests, at this time, and think.
    pub(crate) fn answered(&mut self, count: usize, now_s: f64) {
        if let Kind::Clients(clients) = &mut self.kind {
            let Thinkers { sends, think_s, random, .. } = &mut **clients;
            for _ in 0..count {
                let thinks_s = if *think_s > 0.0 { *think_s * exponential(random) } else { 0.0 };
                sends.push(Reverse(Time(now_s + thinks_s)));
            }
        }
    }
}

impl SimulationConfig {
    /// The requests of the first model for a live queue: at the times and of the sizes at which they are
    /// simulated.
    ///
    /// # Errors
    /// [`ConfigError`] for arrivals that cannot be simulated, and for a trace with priorities or timeouts,
    /// which only simulated queues have.
    pub fn live_load(&self) -> Result<LiveLoad, ConfigError> {
        let process = self.arrivals.process()?;
        let marks = self.arrivals.marks(&process)?;
        let recorded = process.trace_requests();
        if recorded.is_some_and(|trace| trace.levels.is_some() || trace.limits_s.is_some()) {
            return Err(ConfigError::Invalid {
                key: "arrivals.file",
                found: "a trace with priorities or timeouts".to_owned(),
                expected: "arrivals and sizes alone, as a live queue has no others",
            });
        }
        let load = LiveLoad::new(&process, self.requests, self.seed);
        if marks.are_plain() {
            return Ok(load);
        }
        let mut random = generator(self.seed, Stream::Marks, 0);
        let size = |request| marks.mark(request, &mut random).size;
        let sizes = (0..self.requests).map(size);
        Ok(load.with_sizes(sizes.map(|size| u32::try_from(size).unwrap_or(u32::MAX)).collect()))
    }
}
