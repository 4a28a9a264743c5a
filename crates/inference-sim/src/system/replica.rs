//! A replica, and how requests are distributed among replicas.

use rand_chacha::ChaCha8Rng;

use super::queue::WaitingQueue;
use crate::config::{AutoscaleConfig, ReplicasConfig, Routing};

/// Queues with servers of their own.
pub(super) struct Replica {
    /// One for each model.
    pub(super) queues: Vec<WaitingQueue>,
    /// Idle servers; the one that was busy last is at the end and is taken first, so that the
    /// others may fall asleep.
    pub(super) idle: Vec<usize>,
    /// Those that became idle since batches were last started.
    pub(super) newly_idle: Vec<usize>,
    pub(super) asleep: Vec<usize>,
    pub(super) waking: usize,
    pub(super) phase: Phase,
    /// Requests that wait or are served.
    pub(super) inside: usize,
    /// Whether the policies have to be asked.
    pub(super) changed: bool,
    /// When they are to be asked again.
    pub(super) asked_s: f64,
}

/// Whether a replica takes and serves requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It takes and serves them.
    On,
    /// It will serve them soon.
    Starting,
    /// It serves those that it has.
    Stopping,
    Off,
}

/// How requests are distributed, and how many replicas there are.
pub(super) struct Scaling {
    pub(super) routing: Routing,
    pub(super) rule: Option<AutoscaleConfig>,
    pub(super) random: ChaCha8Rng,
    /// Replicas that are on.
    pub(super) on: Vec<usize>,
    /// The next in turn, a place in `on`.
    pub(super) turn: usize,
    /// When the number of replicas is decided next.
    pub(super) decides_s: f64,
    /// Since when fewer replicas have been enough.
    pub(super) fewer_since_s: Option<f64>,
}

impl Replica {
    pub(super) fn new(number: usize, servers: usize, models: usize) -> Self {
        let first = number * servers;
        Self {
            queues: (0..models).map(|_| WaitingQueue::default()).collect(),
            idle: (first..first + servers).rev().collect(),
            newly_idle: (first..first + servers).collect(),
            asleep: Vec::new(),
            waking: 0,
            phase: Phase::On,
            inside: 0,
            changed: false,
            asked_s: f64::NEG_INFINITY,
        }
    }
}

impl Scaling {
    pub(super) fn new(config: ReplicasConfig, random: ChaCha8Rng) -> Self {
        Self {
            routing: config.routing,
            rule: config.autoscale,
            random,
            on: Vec::new(),
            turn: 0,
            decides_s: f64::NEG_INFINITY,
            fewer_since_s: None,
        }
    }
}
