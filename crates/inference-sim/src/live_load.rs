//! The requests of a live queue: at known times, or from clients that wait for answers.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand_chacha::ChaCha8Rng;

use crate::{
    arrival::{ArrivalProcess, exponential},
    random::{Stream, generator},
    service::Time,
};

/// The requests of a live queue, for [`crate::serve_load`].
#[derive(Clone, Debug)]
pub struct LiveLoad(Kind);

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
        let mut load = Self(Kind::Clients(Box::new(thinkers)));
        load.answered(clients.count, 0.0);
        load
    }

    /// Requests at these times, which are finite and do not decrease.
    pub(crate) fn at(times: &[f64]) -> Self {
        Self(Kind::Times(times.iter().rev().copied().collect()))
    }

    /// Requests that are still to come.
    pub(crate) fn left(&self) -> usize {
        match &self.0 {
            Kind::Times(times) => times.len(),
            Kind::Clients(clients) => clients.left,
        }
    }

    /// When the next request comes; `None` if no more come, or if the next one is sent only after an answer.
    pub(crate) fn next_s(&self) -> Option<f64> {
        match &self.0 {
            Kind::Times(times) => times.last().copied(),
            Kind::Clients(clients) => {
                clients.sends.peek().filter(|_| clients.left > 0).map(|Reverse(time)| time.0)
            }
        }
    }

    /// The next request has come.
    pub(crate) fn take(&mut self) {
        match &mut self.0 {
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
        if let Kind::Clients(clients) = &mut self.0 {
            let Thinkers { sends, think_s, random, .. } = &mut **clients;
            for _ in 0..count {
                let thinks_s = if *think_s > 0.0 { *think_s * exponential(random) } else { 0.0 };
                sends.push(Reverse(Time(now_s + thinks_s)));
            }
        }
    }
}
