//! What the meter, its spans and its sampling thread share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::Thread,
};

use units::{Joules, Seconds, Warning, Watts};

use crate::{
    attribute::Attributor,
    clock::Clock,
    cover::in_total,
    feed::Feed,
    host::{Answer, Hosted},
    probe_status::ProbeStatus,
    source::Channel,
    span_accumulator::SpanAccumulator,
    state::State,
    track::Track,
};

/// A function that is called with every sample.
pub(crate) type Observer = Box<dyn FnMut(&[Reading]) + Send>;

/// A channel and the state after its last reading.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Reading {
    /// The channel.
    pub channel: Channel,
    /// The time, since the meter started.
    pub at: Seconds,
    /// Energy since the meter started.
    pub joules: Joules,
    /// Recent power; `None` until there are enough readings, and of a device that is not read any more.
    pub watts: Option<Watts>,
    /// Whether the channel's energy is part of a total. The others overlap with one that is.
    pub in_total: bool,
    /// Time between updates of its value, if readings have shown it.
    pub learnt_period: Option<Seconds>,
}

/// The parts of a meter, which its clones, its spans and its sampling thread share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) state: Mutex<State>,
    pub(crate) statuses: Vec<ProbeStatus>,
    /// Warnings that concern every span.
    pub(crate) standing: Vec<Warning>,
    pub(crate) attributor: Option<Attributor>,
    /// The processor's idle power and its standard deviation, once they are measured.
    pub(crate) rest: Mutex<Option<(Watts, Watts)>>,
    /// CPU time that the meter itself has used.
    pub(crate) own_ns: AtomicU64,
    pub(crate) sampler: Mutex<Option<Thread>>,
    /// For each channel, whether it shows the same counter as an earlier one, and whether it is part of
    /// the total: kept, because that changes rarely and takes long with many channels.
    pub(crate) counted: Mutex<(Vec<bool>, Vec<bool>)>,
    /// The sources with threads of their own, each with the index of its feed.
    pub(crate) hosted: Vec<(usize, Arc<Hosted>)>,
}

impl Shared {
    /// One pass of the sampling thread.
    pub(crate) fn sample(&self) {
        lock(&self.state).read(&*self.clock, false, Vec::new());
    }

    /// Looks for new channels.
    pub(crate) fn rescan(&self) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        for (at, feed) in state.feeds.iter_mut().enumerate() {
            if feed.rescan() {
                for open in state.open.values_mut() {
                    let late = || SpanAccumulator::late(open.start);
                    open.accumulators[at].resize_with(feed.tracks.len(), late);
                }
            }
        }
    }

    pub(crate) fn readings(&self) -> Vec<Reading> {
        let state = lock(&self.state);
        let at = self.clock.now();
        let mirrored: Vec<bool> = state.feeds.iter().flat_map(Feed::mirrored).collect();
        let mut counted = lock(&self.counted);
        if counted.0 != mirrored {
            let channels: Vec<&Channel> = state.tracks().map(|track| &track.channel).collect();
            let in_total = in_total(&channels, &mirrored);
            *counted = (mirrored, in_total);
        }
        let reading = |(track, in_total): (&Track, &bool)| Reading {
            channel: track.channel.clone(),
            at,
            joules: track.total,
            watts: track.recent_power(at),
            in_total: *in_total,
            learnt_period: track.updates.learnt(),
        };
        state.tracks().zip(&counted.1).map(reading).collect()
    }

    /// The shortest time in which a counter can wrap.
    pub(crate) fn shortest_wrap(&self) -> Option<Seconds> {
        let state = lock(&self.state);
        state.tracks().filter_map(Track::shortest_wrap).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Whether the update period of a counter is not known yet.
    pub(crate) fn is_learning(&self) -> bool {
        lock(&self.state).tracks().any(Track::is_learning)
    }

    /// Whether the readings of a power are remembered, to reconstruct it.
    pub(crate) fn has_history(&self) -> bool {
        lock(&self.state).tracks().any(Track::has_history)
    }

    /// Asks all sources with threads of their own at the same time, and waits for what they read
    /// after `since`, for each at most until its deadline.
    pub(crate) fn wait_for_hosted(&self, since: Seconds) -> Vec<(usize, Vec<Answer>)> {
        for (_, hosted) in &self.hosted {
            hosted.ask();
        }
        let wait = |(at, hosted): &(usize, Arc<Hosted>)| {
            let mut answers = Vec::new();
            hosted.wait(since, &mut answers);
            (*at, answers)
        };
        self.hosted.iter().map(wait).collect()
    }

    /// Adds the time between two moments, on the caller's thread, to the meter's own CPU time.
    pub(crate) fn spent(&self, from: Seconds, to: Seconds) {
        self.own((to - from).0.max(0.0));
    }

    /// Adds to the meter's own CPU time.
    pub(crate) fn own(&self, seconds: f64) {
        self.own_ns.fetch_add((seconds * 1e9) as u64, Ordering::Relaxed);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(sampler) = lock(&self.sampler).take() {
            sampler.unpark();
        }
    }
}

/// Locks even if another thread panicked with the lock: it leaves no sum half written.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
