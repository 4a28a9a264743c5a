//! The state of the general simulation.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand_chacha::ChaCha8Rng;

use super::{
    queue::Request,
    replica::{Replica, Scaling},
};
use crate::{
    arrival::{ArrivalTimes, Clients},
    config::RetryConfig,
    engine::StartedBatch,
    escalation::Escalation,
    pause::PauseEffect,
    requests::MarkLaws,
    service::{ServiceLaw, Time},
    slowness::Pace,
};

/// When servers sleep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sleep {
    /// Seconds of idleness before.
    pub(crate) after_s: f64,
    /// Seconds to be awake again.
    pub(crate) wakeup_s: f64,
}

/// A model with a queue of its own at each replica.
pub(crate) struct Model<P> {
    pub(crate) arrivals: ArrivalTimes,
    /// Clients that send the requests in place of `arrivals`.
    pub(crate) clients: Option<Clients>,
    pub(crate) marks: MarkLaws,
    pub(crate) law: ServiceLaw,
    /// The large network of a cascade.
    pub(crate) escalation: Option<Escalation>,
    pub(crate) policy: P,
    /// Requests that may wait.
    pub(crate) limit: usize,
    /// The queue with the highest is served first.
    pub(crate) priority: i32,
    pub(crate) patience: Option<ServiceLaw>,
    pub(crate) retry: Option<RetryConfig>,
    pub(crate) random: Randoms,
}

/// The random numbers of a model.
pub(crate) struct Randoms {
    pub(crate) service: ChaCha8Rng,
    pub(crate) marks: ChaCha8Rng,
    pub(crate) clients: ChaCha8Rng,
    pub(crate) slowness: ChaCha8Rng,
    pub(crate) cascade: ChaCha8Rng,
}

/// Server-seconds in the states that are neither idle nor busy, from the first measured request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asleep {
    pub(crate) asleep_s: f64,
    pub(crate) waking_s: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Server {
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

/// What happens at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A server is free.
    Free(usize),
    /// A server is awake.
    Awake(usize),
    /// A server falls asleep if it has been idle for long enough.
    Doze(usize),
    /// A replica is ready to serve.
    Ready(usize),
    /// The number of replicas is decided.
    Scale,
    /// The request with this ticket leaves the queue of a model at a replica, if it still waits.
    Leave { replica: usize, model: usize, ticket: u64 },
    /// A client of a model sends a request.
    Send(usize),
    /// The lost request in this place comes again.
    Again(usize),
    /// A policy wants to be asked again.
    Ask(usize),
}

pub(super) struct State<'o, P, O> {
    pub(super) models: Vec<Model<P>>,
    /// The next arrival of each model.
    pub(super) next: Vec<Option<f64>>,
    /// Requests of each model so far.
    pub(super) arrived: Vec<usize>,
    pub(super) servers: Vec<Server>,
    /// How fast each server is, where that changes.
    pub(super) paces: Vec<Pace>,
    /// Servers of a replica.
    pub(super) servers_each: usize,
    pub(super) replicas: Vec<Replica>,
    /// Replicas whose policies have to be asked.
    pub(super) changed: Vec<usize>,
    pub(super) scaling: Scaling,
    /// Servers that sleep, and those that wake up.
    pub(super) asleep: usize,
    pub(super) waking: usize,
    /// Requests that wait or are served.
    pub(super) inside: usize,
    /// Those of clients that are served.
    pub(super) awaited: usize,
    /// Requests that clients will send, and lost ones that come again.
    pub(super) to_send: usize,
    pub(super) to_return: usize,
    /// Lost requests that come again, and the free places among them.
    pub(super) lost: Vec<(usize, Request)>,
    pub(super) free: Vec<usize>,
    pub(super) tickets: u64,
    pub(super) more_to_come: bool,
    pub(super) events: BinaryHeap<Reverse<(Time, Event)>>,
    /// The number of events at which those that no longer matter are removed.
    pub(super) most_events: usize,
    pub(super) sleep: Option<Sleep>,
    pub(super) now: f64,
    pub(super) drawn: usize,
    pub(super) requests: usize,
    pub(super) warmup: usize,
    pub(super) total: Asleep,
    /// When the statistics end.
    pub(super) close_s: f64,
    pub(super) observer: &'o mut O,
}

/// How a request is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    Rejected,
    Dropped,
    Abandoned,
}
