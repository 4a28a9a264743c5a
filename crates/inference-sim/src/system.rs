//! The general discrete-event simulation: several models, queues with limits, priorities and
//! deadlines, and servers that sleep.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use rand_chacha::ChaCha8Rng;
use units::BatchTimes;

use crate::{
    arrival::ArrivalTimes,
    engine::{Observer, StartedBatch},
    pause::PauseEffect,
    policy::{Decision, Policy, PolicyError, Queue},
    service::{ServiceLaw, Time},
};

/// When servers sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleep {
    /// Seconds of idleness before.
    pub(crate) after_s: f64,
    /// Seconds to be awake again.
    pub(crate) wakeup_s: f64,
}

/// A model with a queue of its own.
pub(crate) struct Model<P> {
    pub(crate) arrivals: ArrivalTimes,
    pub(crate) law: ServiceLaw,
    pub(crate) random: ChaCha8Rng,
    pub(crate) policy: P,
    /// Requests that may wait.
    pub(crate) limit: usize,
    /// The queue with the highest is served first.
    pub(crate) priority: i32,
}

/// Models in front of servers.
pub(crate) struct System<P> {
    pub(crate) models: Vec<Model<P>>,
    /// Of all models together.
    pub(crate) requests: usize,
    pub(crate) servers: usize,
    pub(crate) sleep: Option<Sleep>,
}

/// Server-seconds in the states that are neither idle nor busy, from the first measured request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asleep {
    pub(crate) asleep_s: f64,
    pub(crate) waking_s: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    Idle {
        /// Minus infinity if it has never served.
        since_s: f64,
        /// The effect of a pause on its last batch, and the seconds of that batch.
        last: Option<(PauseEffect, f64)>,
    },
    Busy {
        model: usize,
        batch: StartedBatch,
    },
    Asleep,
    Waking,
}

/// What happens to a server at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Free(usize),
    Awake(usize),
    /// It falls asleep if it has been idle for long enough.
    Doze(usize),
}

struct Waiting {
    next: Option<f64>,
    /// Number and time of arrival.
    queue: VecDeque<(usize, f64)>,
    /// When the policy wants to be asked again.
    timer: f64,
}

/// Priority, deadline, number.
type Order = (Reverse<i32>, Time, usize);

struct State<'o, P, O> {
    models: Vec<Model<P>>,
    waiting: Vec<Waiting>,
    servers: Vec<Server>,
    /// Idle servers; the one that was busy last is at the end and is taken first, so that the
    /// others may fall asleep.
    idle: Vec<usize>,
    /// Those that became idle since batches were last started.
    newly_idle: Vec<usize>,
    asleep: Vec<usize>,
    waking: usize,
    events: BinaryHeap<Reverse<(Time, Event)>>,
    sleep: Option<Sleep>,
    now: f64,
    drawn: usize,
    requests: usize,
    total: Asleep,
    /// When the statistics end.
    close_s: f64,
    observer: &'o mut O,
}

impl<P: Policy> System<P> {
    /// Serves all requests; each queue first come, first served.
    ///
    /// Requests are numbered in order of arrival over all models. The returned times of sleep
    /// begin with the arrival of request `warmup`.
    ///
    /// # Errors
    /// The first answer that a policy must not give.
    pub(crate) fn run<O: Observer>(
        self,
        warmup: usize,
        observer: &mut O,
    ) -> Result<Asleep, PolicyError> {
        let waiting = |model: &mut Model<P>| Waiting {
            next: model.arrivals.next(),
            queue: VecDeque::new(),
            timer: f64::INFINITY,
        };
        let mut models = self.models;
        let mut state = State {
            waiting: models.iter_mut().map(waiting).collect(),
            models,
            servers: vec![Server::Idle { since_s: f64::NEG_INFINITY, last: None }; self.servers],
            idle: (0..self.servers).rev().collect(),
            newly_idle: (0..self.servers).collect(),
            asleep: Vec::new(),
            waking: 0,
            events: BinaryHeap::new(),
            sleep: self.sleep,
            now: 0.0,
            drawn: 0,
            requests: self.requests,
            total: Asleep::default(),
            close_s: f64::INFINITY,
            observer,
        };
        state.run(warmup)
    }
}

impl<P: Policy, O: Observer> State<'_, P, O> {
    fn run(&mut self, warmup: usize) -> Result<Asleep, PolicyError> {
        loop {
            self.dispatch()?;
            let waits =
                self.waiting.iter().any(|model| model.next.is_some() || !model.queue.is_empty());
            if !waits && self.idle.len() + self.asleep.len() + self.waking == self.servers.len() {
                // Sleep goes on to the end of the statistics.
                if self.close_s.is_infinite() || self.now >= self.close_s {
                    self.observer.ends(self.now);
                    return Ok(self.total);
                }
            }
            let event = self.events.peek().map_or(f64::INFINITY, |Reverse((time, _))| time.0);
            let others = self
                .waiting
                .iter()
                .map(|model| model.timer.min(model.next.unwrap_or(f64::INFINITY)));
            let next = others.fold(event, f64::min);
            self.pass(if next.is_finite() { next } else { self.close_s });
            while let Some(&Reverse((time, event))) = self.events.peek()
                && time.0 <= self.now
            {
                self.events.pop();
                self.happens(event);
            }
            while let Some(model) = self.next_arrival() {
                self.arrives(model, warmup);
            }
        }
    }

    fn pass(&mut self, until: f64) {
        let time = (until.min(self.close_s) - self.now).max(0.0);
        self.total.asleep_s += self.asleep.len() as f64 * time;
        self.total.waking_s += self.waking as f64 * time;
        self.now = self.now.max(until);
    }

    fn happens(&mut self, event: Event) {
        match (event, self.servers.get(event.server())) {
            (Event::Free(server), Some(&Server::Busy { model, batch })) => {
                self.models[model].policy.served(batch.times.size, batch.service_s());
                self.becomes_idle(server, Some(batch.as_last()));
            }
            (Event::Awake(server), Some(Server::Waking)) => {
                self.waking -= 1;
                self.becomes_idle(server, None);
            }
            (Event::Doze(server), Some(&Server::Idle { since_s, .. })) => {
                let due = self.sleep.is_some_and(|sleep| since_s + sleep.after_s <= self.now);
                if due {
                    self.servers[server] = Server::Asleep;
                    self.idle.retain(|&other| other != server);
                    self.asleep.push(server);
                }
            }
            _ => {}
        }
    }

    fn becomes_idle(&mut self, server: usize, last: Option<(PauseEffect, f64)>) {
        self.servers[server] = Server::Idle { since_s: self.now, last };
        self.idle.push(server);
        self.newly_idle.push(server);
    }

    /// The model whose request arrives next, if one has arrived by now.
    fn next_arrival(&self) -> Option<usize> {
        let models = self.waiting.iter().enumerate();
        let times = models.filter_map(|(number, model)| Some((model.next?, number)));
        let (time, model) = times.min_by(|a, b| a.0.total_cmp(&b.0))?;
        (time <= self.now).then_some(model)
    }

    fn arrives(&mut self, model: usize, warmup: usize) {
        let Some(time) = self.waiting[model].next else { return };
        let number = self.drawn;
        let in_progress = |server: &Server| match server {
            Server::Busy { batch, .. } => Some(*batch),
            _ => None,
        };
        self.observer.arrival(number, time, self.servers.iter().filter_map(in_progress));
        if number == warmup {
            self.total = Asleep::default();
        }
        self.drawn += 1;
        self.waiting[model].next = self.models[model].arrivals.next();
        if self.drawn == self.requests {
            let next = self.waiting.iter_mut().filter_map(|model| model.next.take());
            let close_s = next.fold(f64::INFINITY, f64::min);
            if close_s.is_finite() && warmup > 0 {
                self.close_s = close_s;
                self.observer.closes(close_s, self.servers.iter().filter_map(in_progress));
            }
        }
        let waiting = &mut self.waiting[model].queue;
        // A request that finds a free server need not wait.
        if waiting.len() < self.models[model].limit.max(self.idle.len()) {
            waiting.push_back((number, time));
        } else {
            self.observer.rejected(model, number);
        }
    }

    /// Starts all batches that can start now, and wakes servers for those that could start.
    fn dispatch(&mut self) -> Result<(), PolicyError> {
        self.waiting.iter_mut().for_each(|model| model.timer = f64::INFINITY);
        while let Some(&server) = self.idle.last() {
            let Some((model, size)) = self.choose()? else { break };
            self.idle.pop();
            self.begin(server, model, size);
        }
        let Some(sleep) = self.sleep else { return Ok(()) };
        // Only now is it certain that there is nothing for them to do.
        for server in self.newly_idle.drain(..) {
            self.events.push(Reverse((Time(self.now + sleep.after_s), Event::Doze(server))));
        }
        while !self.asleep.is_empty()
            && self.waking < self.batches_waiting()
            && self.choose()?.is_some()
        {
            let Some(server) = self.asleep.pop() else { break };
            self.servers[server] = Server::Waking;
            self.waking += 1;
            self.events.push(Reverse((Time(self.now + sleep.wakeup_s), Event::Awake(server))));
        }
        Ok(())
    }

    fn batches_waiting(&self) -> usize {
        let models = self.waiting.iter().zip(&self.models);
        let batches = |(waiting, model): (&Waiting, &Model<P>)| {
            waiting.queue.len().div_ceil(model.policy.max_size().max(1))
        };
        models.map(batches).sum()
    }

    /// The model that is to be served now, and how many of its requests.
    fn choose(&mut self) -> Result<Option<(usize, usize)>, PolicyError> {
        let mut best: Option<(Order, usize, usize)> = None;
        let more_to_come = self.waiting.iter().any(|model| model.next.is_some());
        // Since when a server has been free.
        let since = |&server: &usize| match self.servers[server] {
            Server::Idle { since_s, .. } => since_s,
            _ => self.now,
        };
        let free_s = self.idle.iter().map(since).fold(self.now, f64::min);
        for (number, (model, waiting)) in self.models.iter().zip(&mut self.waiting).enumerate() {
            while let Some(&(first, oldest_s)) = waiting.queue.front() {
                let queue = Queue {
                    waiting: waiting.queue.len(),
                    oldest_s,
                    taken_s: free_s.max(oldest_s),
                    now_s: self.now,
                    more_to_come,
                };
                match model.policy.decide(&queue).checked(&queue, model.policy.drops())? {
                    Decision::Drop(count) => {
                        let dropped = waiting.queue.drain(..count);
                        dropped.for_each(|(request, _)| self.observer.dropped(number, request));
                        continue;
                    }
                    Decision::WaitUntil(time) => waiting.timer = time,
                    Decision::WaitForArrival => {}
                    Decision::Serve(size) => {
                        // Among equal priorities, the earliest deadline (or arrival) comes first.
                        let due = Time(oldest_s + model.policy.deadline_s().unwrap_or(0.0));
                        let order = (Reverse(model.priority), due, first);
                        if best.is_none_or(|(other, ..)| order < other) {
                            best = Some((order, number, size));
                        }
                    }
                }
                break;
            }
        }
        Ok(best.map(|(_, model, size)| (model, size)))
    }

    fn begin(&mut self, server: usize, model: usize, size: usize) {
        let Model { law, random, .. } = &mut self.models[model];
        // A server that has just woken up is as ready as after a batch.
        let pause = match self.servers[server] {
            Server::Idle { since_s, last } => law.pause_effect(size, self.now - since_s, last),
            _ => PauseEffect::after(0.0),
        };
        let end_s = self.now + law.sample(size, pause, random);
        let batch = StartedBatch { times: BatchTimes { size, start_s: self.now, end_s }, pause };
        self.observer.batch(model, &batch, self.waiting[model].queue.drain(..size));
        self.servers[server] = Server::Busy { model, batch };
        self.events.push(Reverse((Time(end_s), Event::Free(server))));
    }
}

impl Event {
    fn server(self) -> usize {
        match self {
            Self::Free(server) | Self::Awake(server) | Self::Doze(server) => server,
        }
    }
}
