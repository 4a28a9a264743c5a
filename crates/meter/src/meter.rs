//! The meter: what is read, the open spans, the two ends of a span.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread::Thread,
    time::Duration,
};

use units::{Joules, ProbeUse, Seconds, Warning, WarningKind, Watts};

use crate::{
    attribute::Attributor,
    builder::{Builder, Place, ProbeStatus},
    clock::{Clock, Monotonic},
    cpu_time,
    feed::Feed,
    host::{Answer, Hosted},
    idle::Idle,
    isolate::IsolateError,
    plugin::LoadError,
    report::Ended,
    sampler,
    source::{Channel, Source},
    span::{Span, SpanReport},
    state::{Open, State},
    tally::Tally,
    track::{Outcome, Track},
};

/// Measures spans of work. Clones share one meter; the last one to go stops the sampling thread.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

/// Is told every sample.
pub(crate) type Observer = Box<dyn FnMut(&[Reading]) + Send>;

/// What a channel shows now.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Which channel.
    pub channel: Channel,
    /// Since the meter started.
    pub at: Seconds,
    /// Energy since the meter started.
    pub joules: Joules,
    /// Power of late; `None` before there were two readings.
    pub watts: Option<Watts>,
    /// The period of its updates, if readings have shown it.
    pub learnt_period: Option<Seconds>,
}

/// All that a meter is made of.
pub(crate) struct Setup {
    pub(crate) sources: Vec<(Box<dyn Source>, Place)>,
    pub(crate) statuses: Vec<ProbeStatus>,
    pub(crate) standing: Vec<Warning>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `None`: sampled by hand.
    pub(crate) interval: Option<Duration>,
    pub(crate) deadline: Duration,
    pub(crate) attributor: Option<Attributor>,
    pub(crate) observer: Option<Observer>,
}

pub(crate) struct Shared {
    pub(crate) clock: Arc<dyn Clock>,
    state: Mutex<State>,
    statuses: Vec<ProbeStatus>,
    /// What is wrong all the time, for every report.
    standing: Vec<Warning>,
    attributor: Option<Attributor>,
    /// The processor's power at rest and its standard deviation, once watched.
    rest: Mutex<Option<(Watts, Watts)>>,
    /// CPU time of the meter itself.
    own_ns: AtomicU64,
    sampler: Mutex<Option<Thread>>,
    /// The sources with threads of their own, and their places among the feeds.
    hosted: Vec<(usize, Arc<Hosted>)>,
}

/// Why a meter could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// A plugin that was named cannot be used.
    #[error(transparent)]
    Plugin(#[from] LoadError),
    /// The folder of plugins cannot be listed.
    #[error("failed to list plugin folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A plugin's own process cannot be used.
    #[error("plugin `{}` cannot run in a process of its own", path.display())]
    Isolate {
        /// The plugin.
        path: PathBuf,
        /// The reason.
        source: IsolateError,
    },
    /// The sampling thread could not be started.
    #[error("failed to start the sampling thread")]
    Thread(#[source] std::io::Error),
}

impl Meter {
    /// Says what to read; by default RAPL, and a CPU-time model where there is none.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A meter that reads nothing: every energy is absent.
    #[must_use]
    pub fn noop() -> Self {
        Self::new(Setup::by_hand(Vec::new(), Arc::new(Monotonic::default())))
    }

    /// A meter over given sources and a given clock, sampled only at the edges of spans and by
    /// [`Meter::sample`]: for tests and simulations.
    #[must_use]
    pub fn with_sources(sources: Vec<Box<dyn Source>>, clock: Box<dyn Clock>) -> Self {
        let meter = Self::new(Setup::by_hand(sources, clock.into()));
        meter.sample();
        meter
    }

    pub(crate) fn start(mut setup: Setup) -> Result<Self, MeterError> {
        let (interval, observer) = (setup.interval, setup.observer.take());
        let meter = Self::new(setup);
        meter.0.sample();
        if let Some(interval) = interval {
            let sampler = sampler::start(Arc::downgrade(&meter.0), interval, observer)
                .map_err(MeterError::Thread)?;
            *lock(&meter.0.sampler) = Some(sampler);
        }
        Ok(meter)
    }

    fn new(setup: Setup) -> Self {
        let interval = setup.interval.map(|it| Seconds(it.as_secs_f64()));
        let mut standing = setup.standing;
        let mut feeds = Vec::new();
        for (source, place) in setup.sources {
            match place {
                Place::Here => feeds.push(Feed::here(source, interval)),
                Place::Apart => match Hosted::start(source, setup.clock.clone(), setup.deadline) {
                    Ok(hosted) => feeds.push(Feed::apart(hosted, interval)),
                    Err(error) => {
                        let text = format!("a probe has no thread and is not read: {error}");
                        standing.push(Warning::new(WarningKind::ProbeFailed, text));
                    }
                },
            }
        }
        let hosted = feeds.iter().enumerate();
        let hosted = hosted.filter_map(|(at, it)| Some((at, Arc::clone(it.hosted()?)))).collect();
        let state = State {
            said: feeds.iter().map(|_| Vec::new()).collect(),
            feeds,
            open: HashMap::new(),
            next_id: 0,
            suspended: setup.clock.suspended(),
        };
        Self(Arc::new(Shared {
            clock: setup.clock,
            state: Mutex::new(state),
            statuses: setup.statuses,
            standing,
            attributor: setup.attributor,
            rest: Mutex::new(None),
            own_ns: AtomicU64::new(0),
            sampler: Mutex::new(None),
            hosted,
        }))
    }

    /// Begins a span.
    pub fn span(&self, name: &str) -> Span {
        let shared = &*self.0;
        let entered = shared.clock.now();
        let times = shared.attributor.as_ref().and_then(Attributor::times);
        let answers = shared.wait_for_hosted(entered);
        let mut state = lock(&shared.state);
        let state = &mut *state;
        state.read(&*shared.clock, true, answers);
        let tallies = state
            .feeds
            .iter()
            .zip(&state.said)
            .map(|(feed, said)| {
                (0..feed.tracks.len())
                    .map(|channel| match said.iter().rfind(|it| it.channel == channel) {
                        Some(it) => Tally::begin(it.at, &it.outcome),
                        // The sampling thread was faster and has its answer already, or there is
                        // none.
                        None => match feed.tracks[channel].last_edge(entered) {
                            Some(edge) => Tally::begin(edge.at, &Outcome::First(edge)),
                            None => Tally::begin(entered, &Outcome::Failed(NO_READING.to_owned())),
                        },
                    })
                    .collect()
            })
            .collect();
        let id = state.next_id;
        state.next_id += 1;
        let own_ns = shared.own_ns.load(Ordering::Relaxed);
        // The clock comes last here and first at the end: readings are not part of the work.
        let cpu_ns = cpu_time::process_ns();
        let start = shared.clock.now();
        state.open.insert(id, Open { start, cpu_ns, own_ns, times, tallies, ended: false });
        shared.spent(entered, start);
        Span { meter: self.clone(), id, name: name.to_owned() }
    }

    pub(crate) fn end(&self, span: &Span) -> SpanReport {
        let shared = &*self.0;
        let mut state = lock(&shared.state);
        let (end, cpu_ns) = (shared.clock.now(), cpu_time::process_ns());
        state.read(&*shared.clock, true, Vec::new());
        if !shared.hosted.is_empty() {
            if let Some(open) = state.open.get_mut(&span.id) {
                open.ended = true;
            }
            // Nobody else waits for a source that hangs.
            drop(state);
            let answers = shared.wait_for_hosted(end);
            state = lock(&shared.state);
            state.hear(answers, false);
            state.tell();
        }
        let open = state.open.remove(&span.id).expect("a span is open until it ends or is dropped");
        let rest = *lock(&shared.rest);
        let times = shared.attributor.as_ref().zip(open.times);
        let shares = times.and_then(|(it, before)| it.since(before, rest));
        let mirrored = state.feeds.iter().flat_map(Feed::mirrored).collect();
        let silent = state.feeds.iter().flat_map(Feed::silent).collect();
        let channels = state.tracks().map(|it| &it.channel).zip(open.tallies.into_iter().flatten());
        let channels = channels.map(|(channel, mut tally)| {
            tally.end(end);
            (channel, tally)
        });
        shared.spent(end, shared.clock.now());
        let seconds = |now: u64, before: u64| Seconds(now.saturating_sub(before) as f64 * 1e-9);
        Ended {
            name: &span.name,
            start: open.start,
            end,
            cpu: seconds(cpu_ns, open.cpu_ns),
            own_cpu: seconds(shared.own_ns.load(Ordering::Relaxed), open.own_ns),
            channels: channels.collect(),
            mirrored,
            silent,
            shares,
            standing: &shared.standing,
        }
        .report()
    }

    pub(crate) fn forget(&self, id: u64) {
        lock(&self.0.state).open.remove(&id);
    }

    /// Watches the machine at rest: power and how much it moves, over ten equal parts of that
    /// time. `None` if nothing can be read. Keep the machine idle meanwhile. From then on, an
    /// [`Attribution`](crate::Attribution) knows the idle part.
    #[must_use]
    pub fn idle(&self, duration: Duration) -> Option<Idle> {
        const PARTS: u32 = 10;
        let parts: Vec<SpanReport> = (0..PARTS)
            .map(|_| {
                let part = self.span("idle");
                std::thread::sleep(duration / PARTS);
                part.end()
            })
            .collect();
        let idle = Idle::of(&parts);
        *lock(&self.0.rest) = idle.and_then(|it| it.processor);
        idle
    }

    /// Reads every channel now. The sampling thread does this by itself.
    pub fn sample(&self) {
        let shared = &*self.0;
        let answers = shared.wait_for_hosted(shared.clock.now());
        lock(&shared.state).read(&*shared.clock, true, answers);
    }

    /// Looks for channels that have appeared. The sampling thread does this once a second.
    pub fn rescan(&self) {
        self.0.rescan();
    }

    /// What can be read here and what cannot.
    #[must_use]
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.0.statuses
    }

    /// What each channel showed at its last reading.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.0.readings()
    }

    /// CPU time that the meter itself used so far: its threads, and the two ends of every span.
    #[must_use]
    pub fn own_cpu(&self) -> Seconds {
        Seconds(self.0.own_ns.load(Ordering::Relaxed) as f64 * 1e-9)
    }

    /// The channels that are read, for a run's record.
    #[must_use]
    pub fn probe_uses(&self) -> Vec<ProbeUse> {
        let state = lock(&self.0.state);
        let channels = state.tracks().map(|it| &it.channel);
        channels
            .map(|it| ProbeUse {
                probe: it.probe.clone(),
                domain: it.domain,
                device: it.device.clone(),
                method: it.method,
                model: it.model.clone(),
            })
            .collect()
    }
}

impl Setup {
    fn by_hand(sources: Vec<Box<dyn Source>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            sources: sources.into_iter().map(|it| (it, Place::Here)).collect(),
            statuses: Vec::new(),
            standing: Vec::new(),
            clock,
            interval: None,
            deadline: Duration::ZERO,
            attributor: None,
            observer: None,
        }
    }
}

impl Shared {
    /// One pass of the sampling thread.
    pub(crate) fn sample(&self) {
        lock(&self.state).read(&*self.clock, false, Vec::new());
    }

    /// Looks for channels that have appeared.
    pub(crate) fn rescan(&self) {
        let mut state = lock(&self.state);
        let state = &mut *state;
        for (at, feed) in state.feeds.iter_mut().enumerate() {
            if feed.rescan() {
                for open in state.open.values_mut() {
                    let late = || Tally::late(open.start);
                    open.tallies[at].resize_with(feed.tracks.len(), late);
                }
            }
        }
    }

    pub(crate) fn readings(&self) -> Vec<Reading> {
        let state = lock(&self.state);
        let at = self.clock.now();
        let reading = |track: &Track| Reading {
            channel: track.channel.clone(),
            at,
            joules: track.total,
            watts: track.power,
            learnt_period: track.updates.learnt(),
        };
        state.tracks().map(reading).collect()
    }

    /// The shortest time in which a counter can wrap.
    pub(crate) fn shortest_wrap(&self) -> Option<Seconds> {
        let state = lock(&self.state);
        state.tracks().filter_map(Track::shortest_wrap).min_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// Whether a counter's period is still to be learnt.
    pub(crate) fn is_learning(&self) -> bool {
        lock(&self.state).tracks().any(Track::is_learning)
    }

    /// Asks the sources with threads of their own, all at once, and waits for what they read after
    /// `since`, each for its deadline at most.
    fn wait_for_hosted(&self, since: Seconds) -> Vec<(usize, Vec<Answer>)> {
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

    /// The meter's own cost, on a thread of somebody else.
    fn spent(&self, from: Seconds, to: Seconds) {
        self.own((to - from).0.max(0.0));
    }

    /// The meter's own cost.
    pub(crate) fn own(&self, seconds: f64) {
        self.own_ns.fetch_add((seconds * 1e9) as u64, Ordering::Relaxed);
    }
}

/// Of a source with a thread of its own.
const NO_READING: &str = "no reading in time";

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("probes", &self.0.statuses).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(sampler) = lock(&self.sampler).take() {
            sampler.unpark();
        }
    }
}

/// Locks, also after a panic elsewhere: no sum is left half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
