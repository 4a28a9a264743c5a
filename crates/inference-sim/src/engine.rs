//! One queue before equal servers as a discrete-event simulation: the fast engine.

use std::{cmp::Ordering, collections::BinaryHeap};

use rand_chacha::ChaCha8Rng;
use units::BatchTimes;

use crate::{
    arrival::ArrivalTimes,
    escalation::Asked,
    pause::PauseEffect,
    policy::{Decision, Policy, PolicyError, Queue},
    service::ServiceLaw,
};

/// A batch that has started; its end is already known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct StartedBatch {
    pub(crate) times: BatchTimes,
    /// Images of its requests.
    pub(crate) items: usize,
    /// The effect of its server's last pause when it started.
    pub(crate) pause: PauseEffect,
    /// What the large network of a cascade adds; its seconds are in `times`.
    pub(crate) asked: Asked,
}

impl StartedBatch {
    /// What the next batch of its server needs to know, for [`ServiceLaw::pause_effect`].
    #[inline]
    pub(crate) fn as_last(&self) -> (PauseEffect, f64) {
        (self.pause, self.service_s())
    }

    pub(crate) fn service_s(&self) -> f64 {
        self.times.end_s - self.times.start_s
    }
}

/// Watches a simulated queue. Requests are numbered from 0 in order of arrival.
pub(crate) trait Observer {
    /// A request arrives at this time; `latest` are the last batches that the servers started.
    /// Called before any batch that starts at that time or later.
    fn arrival(&mut self, number: usize, time_s: f64, latest: impl Iterator<Item = StartedBatch>);

    /// All requests have arrived; the next would have arrived at this time.
    fn closes(&mut self, time_s: f64, latest: impl Iterator<Item = StartedBatch>) {
        let _ = (time_s, latest);
    }

    /// A batch of a model starts; `requests` are the numbers and arrival times of its requests.
    /// Called in order of the batches' starts.
    fn batch(
        &mut self,
        model: usize,
        batch: &StartedBatch,
        requests: impl Iterator<Item = (usize, f64)>,
    );

    /// The simulation ends. Called by the general engine, in which requests are lost: the last event
    /// need not be the end of a batch.
    fn ends(&mut self, time_s: f64) {
        let _ = time_s;
    }

    /// A request of a model finds its queue full.
    fn rejected(&mut self, model: usize, number: usize) {
        let _ = (model, number);
    }

    /// A policy dropped a request of a model.
    fn dropped(&mut self, model: usize, number: usize) {
        let _ = (model, number);
    }

    /// The client of a request of a model left before its service.
    fn abandoned(&mut self, model: usize, number: usize) {
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
    /// they are due. It keeps only the servers and the waiting requests in memory.
    ///
    /// [`Policy::served`] is called when the batch's server asks for the next batch. Policies that
    /// drop requests need the general engine.
    ///
    /// # Errors
    /// The first answer that the policy must not give.
    pub(crate) fn run<P: Policy, O: Observer>(
        self,
        policy: P,
        observer: &mut O,
    ) -> Result<(), PolicyError> {
        match self.servers {
            // Without a heap, what is known of the server stays in registers.
            1 => self.run_on(Server::default(), policy, observer),
            count => {
                self.run_on(BinaryHeap::from(vec![Server::default(); count]), policy, observer)
            }
        }
    }

    fn run_on<P: Policy, O: Observer>(
        mut self,
        mut servers: impl Servers,
        mut policy: P,
        observer: &mut O,
    ) -> Result<(), PolicyError> {
        let mut upcoming = Upcoming { number: 0, requests: self.requests, arrivals: self.arrivals };
        let mut next = upcoming.next(&servers, observer);
        let mut queue = Waiting::default();
        let mut now = 0.0_f64;
        let mut served = 0;
        while let Some(server) = servers.first() {
            if let Some(batch) = &server.batch {
                policy.served(batch.times.size, batch.service_s());
            }
            now = now.max(server.free_s);
            if queue.times().is_empty() {
                let Some(time) = next else { return Ok(()) };
                now = now.max(time);
            }
            let size = loop {
                while let Some(time) = next.filter(|&time| time <= now) {
                    queue.push(time);
                    next = upcoming.next(&servers, observer);
                }
                let waiting = queue.times();
                let seen = Queue {
                    waiting: waiting.len(),
                    oldest_s: waiting[0],
                    taken_s: server.free_s.max(waiting[0]),
                    now_s: now,
                    more_to_come: next.is_some(),
                };
                let decision = policy.decide(&seen).checked(&seen, false)?;
                now = match (decision, next) {
                    (Decision::Serve(size), _) => break size,
                    (Decision::WaitUntil(time), next) => next.map_or(time, |next| next.min(time)),
                    (Decision::WaitForArrival, Some(next)) => next,
                    // `checked` refuses these.
                    (Decision::WaitForArrival | Decision::Drop(_), _) => {
                        return Err(PolicyError { queue: seen, decision });
                    }
                };
            };
            let pause_s = server.batch.map_or(f64::INFINITY, |_| now - server.free_s);
            let last = server.batch.map(|batch| batch.as_last());
            let pause = self.law.pause_effect(size, pause_s, last);
            let end_s = now + self.law.sample(size, pause, &mut self.service_random);
            let times = BatchTimes { size, start_s: now, end_s };
            let batch = StartedBatch { times, items: size, pause, asked: Asked::default() };
            observer.batch(0, &batch, (served..).zip(queue.times()[..size].iter().copied()));
            queue.leave(size);
            served += size;
            servers.begin(Server { free_s: end_s, batch: Some(batch) });
        }
        Ok(())
    }
}

/// The arrivals of the requests that wait, the oldest first.
#[derive(Default)]
struct Waiting {
    /// The first `gone` have left.
    times: Vec<f64>,
    gone: usize,
}

impl Waiting {
    #[inline]
    fn times(&self) -> &[f64] {
        &self.times[self.gone..]
    }

    #[inline]
    fn push(&mut self, time: f64) {
        self.times.push(time);
    }

    /// The first `count` leave.
    #[inline]
    fn leave(&mut self, count: usize) {
        self.gone += count;
        if self.gone == self.times.len() {
            self.times.clear();
            self.gone = 0;
        } else if self.gone >= 512 && 4 * self.gone >= self.times.len() {
            self.times.drain(..self.gone);
            self.gone = 0;
        }
    }
}

/// The arrivals that have not been drawn yet.
struct Upcoming {
    number: usize,
    requests: usize,
    arrivals: ArrivalTimes,
}

impl Upcoming {
    #[inline]
    fn next<O: Observer>(&mut self, servers: &impl Servers, observer: &mut O) -> Option<f64> {
        if self.number == self.requests {
            return None;
        }
        let time = self.arrivals.next()?;
        observer.arrival(self.number, time, servers.batches());
        self.number += 1;
        if self.number == self.requests
            && let Some(time) = self.arrivals.next()
        {
            observer.closes(time, servers.batches());
        }
        Some(time)
    }
}

/// Equal servers.
trait Servers {
    /// The server that is free first.
    fn first(&self) -> Option<Server>;

    /// That server begins a batch, and becomes this one.
    fn begin(&mut self, server: Server);

    /// The last batch of each.
    fn batches(&self) -> impl Iterator<Item = StartedBatch>;
}

impl Servers for Server {
    #[inline]
    fn first(&self) -> Option<Server> {
        Some(*self)
    }

    #[inline]
    fn begin(&mut self, server: Server) {
        *self = server;
    }

    #[inline]
    fn batches(&self) -> impl Iterator<Item = StartedBatch> {
        self.batch.into_iter()
    }
}

impl Servers for BinaryHeap<Server> {
    #[inline]
    fn first(&self) -> Option<Server> {
        self.peek().copied()
    }

    #[inline]
    fn begin(&mut self, server: Server) {
        if let Some(mut first) = self.peek_mut() {
            *first = server;
        }
    }

    #[inline]
    fn batches(&self) -> impl Iterator<Item = StartedBatch> {
        self.iter().filter_map(|server| server.batch)
    }
}

/// A server; the greatest is the one that is free first.
#[derive(Clone, Copy, Debug, Default)]
struct Server {
    free_s: f64,
    /// What it serves until then.
    batch: Option<StartedBatch>,
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
