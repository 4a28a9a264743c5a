//! The queue as a discrete-event simulation.

use std::{
    cmp::Ordering,
    collections::{BinaryHeap, VecDeque},
};

use rand_chacha::ChaCha8Rng;
use record::BatchTimes;

use crate::{
    arrival::ArrivalTimes,
    pause::Rest,
    policy::{Decision, Policy, Queue},
    service::ServiceLaw,
};

/// A batch under way, or one that was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Begun {
    pub(crate) times: BatchTimes,
    /// Of its server, when it began.
    pub(crate) rest: Rest,
}

impl Begun {
    /// What the next batch of its server needs to know, for [`ServiceLaw::rest`].
    #[inline]
    pub(crate) fn as_last(&self) -> (Rest, f64) {
        (self.rest, self.service_s())
    }

    pub(crate) fn service_s(&self) -> f64 {
        self.times.end_s - self.times.start_s
    }
}

/// Watches a simulated queue. Requests are numbered from 0 in order of arrival.
pub(crate) trait Observer {
    /// A request arrives, or will, at this time, when of all batches begun so far these are the
    /// servers' last. Told before any batch that starts at that time or later.
    fn arrival(&mut self, number: usize, time_s: f64, latest: impl Iterator<Item = Begun>);

    /// No request arrives after those told; the next would have at this time.
    fn closes(&mut self, time_s: f64, latest: impl Iterator<Item = Begun>) {
        let _ = (time_s, latest);
    }

    /// A batch of a model is served whose requests have these numbers and arrived at these times;
    /// told in order of the batches' starts.
    fn batch(&mut self, model: usize, batch: &Begun, requests: impl Iterator<Item = (usize, f64)>);

    /// Nothing waits, is served or comes any more. Told by systems in which requests are lost: the
    /// last event need not be an answer.
    fn ends(&mut self, time_s: f64) {
        let _ = time_s;
    }

    /// A request of a model finds its queue full.
    fn rejected(&mut self, model: usize, number: usize) {
        let _ = (model, number);
    }

    /// A request of a model is not served, because it would be too late.
    fn dropped(&mut self, model: usize, number: usize) {
        let _ = (model, number);
    }
}

/// A queue in front of servers.
pub(crate) struct Engine<'l> {
    pub(crate) arrivals: ArrivalTimes,
    pub(crate) requests: usize,
    pub(crate) law: &'l ServiceLaw,
    pub(crate) service_random: ChaCha8Rng,
    pub(crate) servers: usize,
}

impl Engine<'_> {
    /// Serves all requests, first come, first served.
    ///
    /// There is no event list: the next event is always a decision for the server that is free
    /// first, so the loop goes from batch to batch, and the arrivals in between are drawn when
    /// they are due. Memory is that of the servers and of the requests waiting.
    ///
    /// A policy that learns is told of a batch when its server asks for the next one.
    pub(crate) fn run<P: Policy, O: Observer>(mut self, mut policy: P, observer: &mut O) {
        let mut servers = BinaryHeap::from(vec![Server::default(); self.servers]);
        let mut upcoming = Upcoming { number: 0, requests: self.requests, arrivals: self.arrivals };
        let mut next = upcoming.next(&servers, observer);
        let mut queue = VecDeque::new();
        let mut now = 0.0_f64;
        let mut served = 0;
        while let Some(server) = servers.peek().copied() {
            if let Some(batch) = server.batch {
                policy.served(batch.times.size, batch.service_s());
            }
            now = now.max(server.free_s);
            if queue.is_empty() {
                let Some(time) = next else { return };
                now = now.max(time);
            }
            let size = loop {
                while let Some(time) = next.filter(|&time| time <= now) {
                    queue.push_back(time);
                    next = upcoming.next(&servers, observer);
                }
                let decision = policy.decide(&Queue {
                    waiting: queue.len(),
                    oldest_s: queue[0],
                    now_s: now,
                    more_to_come: next.is_some(),
                });
                now = match decision {
                    Decision::Serve(size) => break size,
                    Decision::WaitUntil(time) => next.map_or(time, |next| next.min(time)),
                    Decision::WaitForArrival => next.expect("our policies know when none is left"),
                    Decision::Drop(_) => unreachable!("policies that drop are for the system"),
                };
            };
            let pause_s = server.batch.map_or(f64::INFINITY, |_| now - server.free_s);
            let rest = self.law.rest(size, pause_s, server.batch.map(|it| it.as_last()));
            let end_s = now + self.law.sample(size, rest, &mut self.service_random);
            let batch = Begun { times: BatchTimes { size, start_s: now, end_s }, rest };
            observer.batch(0, &batch, (served..).zip(queue.drain(..size)));
            served += size;
            if let Some(mut server) = servers.peek_mut() {
                *server = Server { free_s: end_s, batch: Some(batch) };
            }
        }
    }
}

/// The arrivals that have not been drawn.
struct Upcoming {
    number: usize,
    requests: usize,
    arrivals: ArrivalTimes,
}

impl Upcoming {
    #[inline]
    fn next<O: Observer>(&mut self, servers: &BinaryHeap<Server>, observer: &mut O) -> Option<f64> {
        if self.number == self.requests {
            return None;
        }
        let time = self.arrivals.next()?;
        observer.arrival(self.number, time, servers.iter().filter_map(|server| server.batch));
        self.number += 1;
        if self.number == self.requests
            && let Some(time) = self.arrivals.next()
        {
            observer.closes(time, servers.iter().filter_map(|server| server.batch));
        }
        Some(time)
    }
}

/// A server; the greatest is the one that is free first.
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    free_s: f64,
    /// What it serves until then.
    batch: Option<Begun>,
}

impl Ord for Server {
    fn cmp(&self, other: &Self) -> Ordering {
        other.free_s.total_cmp(&self.free_s)
    }
}

impl PartialOrd for Server {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Server {}
