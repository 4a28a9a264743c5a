//! The general discrete-event simulation: several models, requests that differ, queues with limits,
//! priorities, deadlines and patience, clients that wait for answers, servers that sleep, and replicas
//! that start and stop.

mod clients;
mod dispatch;
mod queue;
mod replica;
mod scaling;
mod state;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

use rand_chacha::ChaCha8Rng;

pub(crate) use self::state::{Asleep, Model, Randoms, Sleep};
use self::{
    queue::{Request, WaitingQueue},
    replica::{Replica, Scaling},
    state::{Event, Loss, Server, State},
};
use crate::{
    config::ReplicasConfig,
    engine::Observer,
    pause::PauseEffect,
    policy::{Policy, PolicyError},
    service::Time,
    slowness::Pace,
};

/// Events after which those that no longer matter are looked for.
const EVENTS: usize = 10_000;

/// Models in front of servers.
pub(crate) struct System<P> {
    pub(crate) models: Vec<Model<P>>,
    /// Of all models together.
    pub(crate) requests: usize,
    /// Of a replica.
    pub(crate) servers: usize,
    pub(crate) sleep: Option<Sleep>,
    pub(crate) replicas: ReplicasConfig,
    pub(crate) routes: ChaCha8Rng,
}

impl<P: Policy> System<P> {
    /// Serves all requests.
    ///
    /// Requests are numbered in order of arrival over all models. The returned times of sleep
    /// begin with the arrival of request `warmup`; replicas that are stopped sleep, and those that
    /// start wake up.
    ///
    /// # Errors
    /// The first answer that a policy must not give.
    pub(crate) fn run<O: Observer>(
        self,
        warmup: usize,
        observer: &mut O,
    ) -> Result<Asleep, PolicyError> {
        let mut models = self.models;
        let most = self.replicas.most();
        let servers = most * self.servers;
        let paced = models.iter().any(|model| model.law.slowness().is_some());
        let replica = |number: usize| Replica::new(number, self.servers, models.len());
        let replicas = (0..most).map(replica).collect();
        let mut state = State {
            next: models.iter_mut().map(|model| model.arrivals.next()).collect(),
            arrived: vec![0; models.len()],
            servers: vec![Server::Idle { since_s: f64::NEG_INFINITY, last: None }; servers],
            paces: vec![Pace::default(); if paced { servers } else { 0 }],
            servers_each: self.servers,
            replicas,
            changed: Vec::new(),
            scaling: Scaling::new(self.replicas, self.routes),
            asleep: 0,
            waking: 0,
            inside: 0,
            awaited: 0,
            to_send: 0,
            to_return: 0,
            lost: Vec::new(),
            free: Vec::new(),
            tickets: 0,
            more_to_come: true,
            models,
            events: BinaryHeap::new(),
            most_events: EVENTS,
            sleep: self.sleep,
            now: 0.0,
            drawn: 0,
            requests: self.requests,
            warmup,
            total: Asleep::default(),
            close_s: f64::INFINITY,
            observer,
        };
        state.begin_replicas(self.replicas.count);
        state.begin_clients();
        state.run()
    }
}

impl<P: Policy, O: Observer> State<'_, P, O> {
    fn run(&mut self) -> Result<Asleep, PolicyError> {
        (0..self.replicas.len()).for_each(|replica| self.change(replica));
        loop {
            let more_to_come = self.more_to_come();
            if more_to_come != self.more_to_come {
                self.more_to_come = more_to_come;
                (0..self.replicas.len()).for_each(|replica| self.change(replica));
            }
            self.dispatch()?;
            let ended = self.inside == 0 && !self.more_to_come();
            // Sleep goes on to the end of the statistics.
            if ended && (self.close_s.is_infinite() || self.now >= self.close_s) {
                self.observer.ends(self.now);
                return Ok(self.total);
            }
            let event = self.events.peek().map_or(f64::INFINITY, |Reverse((time, _))| time.0);
            let next = self.next.iter().flatten().copied().fold(event, f64::min);
            let next = if next.is_finite() { next } else { self.close_s };
            if next.is_infinite() {
                self.observer.ends(self.now);
                return Ok(self.total);
            }
            self.pass(next);
            while let Some(&Reverse((time, event))) = self.events.peek()
                && time.0 <= self.now
            {
                self.events.pop();
                self.happens(event);
            }
            while let Some((model, time)) = self.next_arrival() {
                self.arrives(model, time);
            }
        }
    }

    /// Whether further requests will come.
    fn more_to_come(&self) -> bool {
        let clients = self.drawn < self.requests && self.to_send + self.awaited > 0;
        clients || self.to_return > 0 || self.next.iter().any(Option::is_some)
    }

    fn pass(&mut self, until: f64) {
        let time = (until.min(self.close_s) - self.now).max(0.0);
        self.total.asleep_s += self.asleep as f64 * time;
        self.total.waking_s += self.waking as f64 * time;
        self.now = self.now.max(until);
    }

    fn at(&mut self, time_s: f64, event: Event) {
        self.events.push(Reverse((Time(time_s), event)));
        if self.events.len() > self.most_events {
            self.forget_events();
            self.most_events = EVENTS + 2 * self.events.len();
        }
    }

    /// Removes the events that no longer matter: clients that would have left, servers that would have
    /// fallen asleep, questions to policies that have been answered. Otherwise long times would fill the
    /// memory.
    fn forget_events(&mut self) {
        let queues = self.replicas.iter().flat_map(|replica| &replica.queues);
        let waiting: HashSet<u64> = queues.flat_map(WaitingQueue::tickets).collect();
        let Self { events, servers, replicas, sleep, .. } = self;
        events.retain(|Reverse((time, event))| match *event {
            Event::Leave { ticket, .. } => waiting.contains(&ticket),
            Event::Ask(replica) => replicas[replica].asked_s == time.0,
            Event::Doze(server) => match servers[server] {
                Server::Idle { since_s, .. } => {
                    sleep.is_some_and(|sleep| since_s.max(0.0) + sleep.after_s == time.0)
                }
                _ => false,
            },
            _ => true,
        });
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Free(server) => {
                if let Server::Busy { model, batch } = self.servers[server] {
                    self.models[model].policy.served(batch.items, batch.service_s());
                    self.becomes_idle(server, Some(batch.as_last()));
                    self.leave_replica(server / self.servers_each, batch.times.size);
                    if self.models[model].clients.is_some() {
                        self.awaited -= batch.times.size;
                        (0..batch.times.size).for_each(|_| self.client_thinks(model));
                    }
                }
            }
            Event::Awake(server) => {
                self.waking -= 1;
                self.replicas[server / self.servers_each].waking -= 1;
                self.becomes_idle(server, None);
            }
            Event::Doze(server) => self.dozes(server),
            Event::Ready(replica) => self.replica_is_ready(replica),
            Event::Scale => self.scale(),
            Event::Leave { replica, model, ticket } => {
                if let Some(entry) = self.replicas[replica].queues[model].remove(ticket) {
                    self.leave_replica(replica, 1);
                    self.loses(model, entry.request, Loss::Abandoned);
                }
            }
            Event::Send(model) => {
                self.to_send -= 1;
                if self.drawn < self.requests {
                    self.arrives(model, self.now);
                }
            }
            Event::Again(place) => {
                self.to_return -= 1;
                self.free.push(place);
                let (model, request) = self.lost[place];
                self.joins(model, request, self.now);
            }
            Event::Ask(replica) => self.change(replica),
        }
    }

    fn dozes(&mut self, server: usize) {
        if let Server::Idle { since_s, .. } = self.servers[server]
            && self.sleep.is_some_and(|sleep| since_s + sleep.after_s <= self.now)
        {
            self.servers[server] = Server::Asleep;
            self.asleep += 1;
            let replica = &mut self.replicas[server / self.servers_each];
            replica.idle.retain(|&other| other != server);
            replica.asleep.push(server);
        }
    }

    fn becomes_idle(&mut self, server: usize, last: Option<(PauseEffect, f64)>) {
        self.servers[server] = Server::Idle { since_s: self.now, last };
        let number = server / self.servers_each;
        let replica = &mut self.replicas[number];
        replica.idle.push(server);
        replica.newly_idle.push(server);
        self.change(number);
    }

    /// Marks a replica whose policies have to be asked.
    fn change(&mut self, replica: usize) {
        if !std::mem::replace(&mut self.replicas[replica].changed, true) {
            self.changed.push(replica);
        }
    }

    /// The model whose request arrives next and when, if one has arrived by now.
    fn next_arrival(&self) -> Option<(usize, f64)> {
        let times = self.next.iter().enumerate();
        let times = times.filter_map(|(model, time)| Some((model, (*time)?)));
        let next = times.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (next.1 <= self.now).then_some(next)
    }

    /// A new request of a model.
    fn arrives(&mut self, model: usize, time: f64) {
        let number = self.drawn;
        let in_progress = |server: &Server| match server {
            Server::Busy { batch, .. } => Some(*batch),
            _ => None,
        };
        self.observer.arrival(number, time, self.servers.iter().filter_map(in_progress));
        if number == self.warmup {
            self.total = Asleep::default();
        }
        self.drawn += 1;
        let Model { arrivals, clients, marks, random, .. } = &mut self.models[model];
        if clients.is_none() {
            self.next[model] = arrivals.next();
        }
        if self.drawn == self.requests {
            let next = self.next.iter_mut().filter_map(Option::take);
            let close_s = next.fold(f64::INFINITY, f64::min);
            if close_s.is_finite() && self.warmup > 0 {
                self.close_s = close_s;
                self.observer.closes(close_s, self.servers.iter().filter_map(in_progress));
            }
        }
        let mark = marks.mark(self.arrived[model], &mut random.marks);
        self.arrived[model] += 1;
        self.joins(model, Request { number, first_s: time, mark, attempts: 0 }, time);
    }
}
