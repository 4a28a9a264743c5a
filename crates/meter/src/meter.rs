//! The meter: its sources, its open spans, and what happens when a span begins or ends.

use std::{
    collections::HashMap,
    fmt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use units::{ProbeUse, Seconds, Warning, WarningKind};

use crate::{
    attribute::Attributor,
    clock::{Clock, MonotonicClock},
    cpu_time,
    feed::{ChannelReading, Feed},
    host::Hosted,
    idle::Idle,
    isolate::IsolateError,
    plugin::LoadError,
    power::history::{Estimate, History},
    probe_status::ProbeStatus,
    report::ClosedSpan,
    sampler,
    shared::{Observer, Reading, Shared, lock},
    source::Source,
    span_accumulator::SpanAccumulator,
    span_report::SpanReport,
    state::{OpenSpan, State},
    track::{Increment, Track},
};

/// Measures the energy of spans of work. Clones share one meter; the sampling thread stops when the
/// last clone is dropped.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

/// The parts that a meter is made from.
pub(crate) struct Setup {
    pub(crate) sources: Vec<Box<dyn Source>>,
    /// Whether sources that may block get threads of their own; otherwise all are read inline.
    pub(crate) threads: bool,
    pub(crate) statuses: Vec<ProbeStatus>,
    pub(crate) standing: Vec<Warning>,
    pub(crate) clock: Arc<dyn Clock>,
    /// `None`: no sampling thread.
    pub(crate) interval: Option<Duration>,
    pub(crate) deadline: Duration,
    pub(crate) attributor: Option<Attributor>,
    pub(crate) observer: Option<Observer>,
}

/// Why a meter could not be started.
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
    #[error("failed to run plugin `{}` in a process of its own", path.display())]
    Isolate {
        /// The plugin.
        path: PathBuf,
        /// The reason.
        source: IsolateError,
    },
    /// A channel of a source of the program's own is not described in a usable way.
    #[error("channel `{device}` of source `{probe}`: {problem}")]
    Channel {
        /// The source.
        probe: String,
        /// The channel's device.
        device: String,
        /// The field, what it is, and what is expected.
        problem: String,
    },
    /// The sampling thread could not be started.
    #[error("failed to start the sampling thread")]
    Thread(#[source] std::io::Error),
}

/// A stretch of work that is being measured; [`Span::end`] reports its energy.
///
/// Spans may nest and overlap, also across threads. A span that is dropped reports nothing.
#[must_use = "a span that is not ended reports nothing"]
#[derive(Debug)]
pub struct Span {
    pub(crate) meter: Meter,
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Span {
    /// A span inside this one, named `<this>/<name>`.
    pub fn child(&self, name: &str) -> Self {
        self.meter.span(&format!("{}/{name}", self.name))
    }

    /// Ends the span.
    #[must_use]
    pub fn end(self) -> SpanReport {
        self.meter.clone().end(&self)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.meter.forget(self.id);
    }
}

impl Meter {
    /// A meter that reads nothing. Its spans have no energy and cost next to nothing.
    #[must_use]
    pub fn noop() -> Self {
        Self::new(Setup::by_hand(Vec::new(), Arc::new(MonotonicClock::default())))
    }

    /// A meter over the given sources and clock, for tests and simulations. It has no threads: all
    /// sources are read when a span begins or ends, and by [`Meter::sample`].
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
        let interval = setup.interval.map(|interval| Seconds(interval.as_secs_f64()));
        let mut standing = setup.standing;
        let mut feeds = Vec::new();
        for source in setup.sources {
            if !(setup.threads && source.may_block()) {
                feeds.push(Feed::inline(source, interval));
                continue;
            }
            let name =
                source.channels().first().map(|channel| channel.probe.clone()).unwrap_or_default();
            match Hosted::start(source, setup.clock.clone(), setup.deadline) {
                Ok(hosted) => feeds.push(Feed::threaded(hosted, interval)),
                Err(error) => {
                    let text =
                        format!("probe `{name}` is not read: failed to start its thread: {error}");
                    standing.push(Warning::new(WarningKind::ProbeFailed, text));
                }
            }
        }
        let hosted = feeds.iter().enumerate();
        let hosted =
            hosted.filter_map(|(at, feed)| Some((at, Arc::clone(feed.hosted()?)))).collect();
        let state = State {
            readings: feeds.iter().map(|_| Vec::new()).collect(),
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
            counted: Mutex::default(),
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
        let accumulators = state
            .feeds
            .iter()
            .zip(&state.readings)
            .map(|(feed, readings)| first_readings(feed, readings, entered))
            .collect();
        let id = state.next_id;
        state.next_id += 1;
        let own_ns = shared.own_ns.load(Ordering::Relaxed);
        // The clock comes last here and first at the end: readings are not part of the work.
        let cpu_ns = cpu_time::process_ns();
        let start = shared.clock.now();
        let open = OpenSpan { start, cpu_ns, own_ns, times, accumulators, ended: false };
        state.open.insert(id, open);
        shared.spent(entered, start);
        Span { meter: self.clone(), id, name: name.to_owned() }
    }

    pub(crate) fn end(&self, span: &Span) -> SpanReport {
        let shared = &*self.0;
        let mut state = lock(&shared.state);
        let (end, cpu_ns) = (shared.clock.now(), cpu_time::process_ns());
        state.read(&*shared.clock, true, Vec::new());
        if !shared.hosted.is_empty() {
            let inner = &mut *state;
            if let Some(open) = inner.open.get_mut(&span.id) {
                open.end_at(end, &inner.feeds);
            }
            // Without the lock, so that other threads do not wait for a source that hangs.
            drop(state);
            let answers = shared.wait_for_hosted(end);
            state = lock(&shared.state);
            state.take(answers, false);
            state.distribute();
        }
        let open = state.open.remove(&span.id).expect("a span is open until it ends or is dropped");
        let rest = *lock(&shared.rest);
        let times = shared.attributor.as_ref().zip(open.times);
        let shares = times.and_then(|(attributor, before)| attributor.since(before, rest));
        let pasts = state.past(open.start, end);
        let mirrored = state.feeds.iter().flat_map(Feed::mirrored).collect();
        let silent = state.feeds.iter().flat_map(Feed::silent).collect();
        let channels = state.tracks().map(|track| &track.channel);
        let channels = channels.zip(open.accumulators.into_iter().flatten());
        let channels = channels.zip(pasts).map(|((channel, mut accumulator), past)| {
            accumulator.end(end);
            if let Some(past) = past {
                accumulator.reconstruct(past);
            }
            (channel, accumulator)
        });
        shared.spent(end, shared.clock.now());
        let seconds = |now: u64, before: u64| Seconds(now.saturating_sub(before) as f64 * 1e-9);
        let mut report = ClosedSpan {
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
        .report();
        drop(state);
        report.warnings.extend(shared.attributor.as_ref().and_then(Attributor::ran_on));
        report
    }

    pub(crate) fn forget(&self, id: u64) {
        lock(&self.0.state).open.remove(&id);
    }

    /// Measures the machine's idle power and how much it varies, over ten equal parts of `duration`.
    /// Blocks for that time, during which the machine must be idle. `None` if nothing can be read.
    /// From then on, an [`Attribution`](crate::Attribution) includes the idle part.
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
        *lock(&self.0.rest) = idle.and_then(|idle| idle.processor);
        idle
    }

    /// The energy of a past stretch by channel, where readings of power show how their sensor works. It
    /// knows the readings after the stretch too, which the end of a span cannot wait for.
    pub(crate) fn past(&self, from: Seconds, to: Seconds) -> Vec<Option<Estimate>> {
        lock(&self.0.state).past(from, to)
    }

    /// Gives what is remembered of the first power that has a history.
    pub(crate) fn with_history<T>(&self, look: impl FnOnce(&mut History) -> T) -> Option<T> {
        let mut state = lock(&self.0.state);
        let mut tracks = state.feeds.iter_mut().flat_map(|feed| &mut feed.tracks);
        tracks.find_map(Track::history).map(look)
    }

    /// Whether the two ends of a span may wait for a source that is read on a thread of its own. If not,
    /// they take a few microseconds, and a program that holds a lock of its own may keep it.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        !self.0.hosted.is_empty()
    }

    /// Reads every channel now, as the sampling thread does at each interval.
    pub fn sample(&self) {
        let shared = &*self.0;
        let answers = shared.wait_for_hosted(shared.clock.now());
        lock(&shared.state).read(&*shared.clock, true, answers);
    }

    /// Forgets how often sensors seemed to renew their values; until readings show it again, the periods
    /// are those that makers and drivers state.
    ///
    /// For work that is repeated: where a counter stands still between two runs (a small part of a
    /// machine, or a sensor that a test simulates), the time from run to run looks like the period of the
    /// sensor, and the energy of a run would be spread over the time around it. Call this before each
    /// run, and each is measured as if it were the only one.
    pub fn forget_update_periods(&self) {
        let mut state = lock(&self.0.state);
        let tracks = state.feeds.iter_mut().flat_map(|feed| &mut feed.tracks);
        tracks.for_each(Track::forget_update_period);
    }

    /// Looks for new channels, as the sampling thread does once a second.
    pub fn rescan(&self) {
        self.0.rescan();
    }

    /// Every probe: what it reads, or why it is not available and what to do about it.
    #[must_use]
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.0.statuses
    }

    /// The warnings that every span repeats: parts of this machine that cannot be read.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.0.standing
    }

    /// The state of each channel after its last reading.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.0.readings()
    }

    /// CPU time that the meter itself has used: its threads, and the two ends of every span.
    #[must_use]
    pub fn own_cpu(&self) -> Seconds {
        Seconds(self.0.own_ns.load(Ordering::Relaxed) as f64 * 1e-9)
    }

    /// The channels that are read, in the form that is kept with a measurement.
    #[must_use]
    pub fn probe_uses(&self) -> Vec<ProbeUse> {
        let state = lock(&self.0.state);
        let channels = state.tracks().map(|track| &track.channel);
        channels
            .map(|channel| ProbeUse {
                probe: channel.probe.clone(),
                domain: channel.domain,
                device: channel.device.clone(),
                method: channel.method,
                model: channel.model.clone(),
            })
            .collect()
    }
}

impl Setup {
    /// Without threads, on a given clock.
    fn by_hand(sources: Vec<Box<dyn Source>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            sources,
            threads: false,
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

/// Why a threaded source has no reading at the start of a span.
const NO_READING: &str = "no reading in time";

/// The sums of a new span over the channels of a feed, each with its reading at the span's start.
fn first_readings(
    feed: &Feed,
    readings: &[ChannelReading],
    entered: Seconds,
) -> Vec<SpanAccumulator> {
    let first = |channel: usize| {
        if let Some(reading) = readings.iter().rfind(|reading| reading.channel == channel) {
            return SpanAccumulator::begin(reading.at, &reading.increment);
        }
        // The sampling thread has taken the answer already, or there is none.
        match feed.tracks[channel].last_edge(entered) {
            Some(edge) => SpanAccumulator::begin(edge.at, &Increment::First(edge)),
            None => SpanAccumulator::begin(entered, &Increment::Failed(NO_READING.to_owned())),
        }
    };
    (0..feed.tracks.len()).map(first).collect()
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("probes", &self.0.statuses).finish_non_exhaustive()
    }
}
