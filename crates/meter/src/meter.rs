//! The meter: sources, a sampling thread, spans.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, Thread},
    time::Duration,
};

use record::{ProbeUse, Seconds, Warning, WarningKind};

use crate::{
    clock::{Clock, Monotonic},
    cover::covers_processor,
    cpu_time,
    estimator::{self, Estimator},
    plugin::{LoadError, Plugin},
    powercap::{self, Powercap},
    source::{Channel, Source},
    span::{Ended, Span, SpanReport},
    tally::Tally,
    track::{Outcome, Track},
};

/// Measures spans of work. Clones share one meter; the last one to go stops the sampling thread.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

struct Shared {
    clock: Box<dyn Clock>,
    state: Mutex<State>,
    statuses: Vec<ProbeStatus>,
    /// What is wrong all the time, for every report.
    standing: Vec<Warning>,
    sampler: Mutex<Option<Thread>>,
}

struct State {
    sources: Vec<Box<dyn Source>>,
    /// Of all sources, one after the other.
    tracks: Vec<Track>,
    open: HashMap<u64, Open>,
    next_id: u64,
}

/// An open span.
struct Open {
    start: Seconds,
    cpu_ns: u64,
    /// One for each track.
    tallies: Vec<Tally>,
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
    /// The sampling thread could not be started.
    #[error("failed to start the sampling thread")]
    Thread(#[source] std::io::Error),
}

/// Whether a probe can be used here, and if not, why and what to do about it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeStatus {
    /// The probe's name.
    pub probe: String,
    /// Whether it is read.
    pub available: bool,
    /// What is read.
    pub channels: Vec<Channel>,
    /// In words: what is read, or why nothing is; also which part cannot be read.
    pub reason: Option<String>,
    /// What to do about what cannot be read.
    pub remedy: Option<String>,
}

/// Says what a meter reads.
#[derive(Debug)]
pub struct Builder {
    sysfs: PathBuf,
    interval: Duration,
    plugins: Vec<PathBuf>,
    plugin_folders: Vec<PathBuf>,
    estimator: Option<Estimator>,
}

impl Builder {
    /// Reads this folder in place of `/sys`.
    #[must_use]
    pub fn sysfs(mut self, path: impl AsRef<Path>) -> Self {
        self.sysfs = path.as_ref().to_owned();
        self
    }

    /// Time between two samples; 100 ms unless said otherwise.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Loads a probe from a shared library.
    #[must_use]
    pub fn plugin(mut self, path: impl AsRef<Path>) -> Self {
        self.plugins.push(path.as_ref().to_owned());
        self
    }

    /// Loads every shared library `libwattlab_probe_*` of a folder.
    #[must_use]
    pub fn plugin_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.plugin_folders.push(path.as_ref().to_owned());
        self
    }

    /// Estimates the processor's energy by this model where no sensor sees the processor, or not at
    /// all ([`Estimator::none`]). By default a model of this processor is used.
    #[must_use]
    pub fn estimator(mut self, estimator: impl Into<Option<Estimator>>) -> Self {
        self.estimator = estimator.into();
        self
    }

    /// Opens the sources and starts sampling.
    ///
    /// # Errors
    ///
    /// If a plugin that was named cannot be loaded. Hardware that is not there is no error; see
    /// [`Meter::probes`].
    pub fn start(self) -> Result<Meter, MeterError> {
        let mut sources: Vec<Box<dyn Source>> = Vec::new();
        let mut statuses = Vec::new();
        let mut standing = Vec::new();
        match Powercap::open(&self.sysfs) {
            Ok(powercap) => {
                let mut status = available(powercap::NAME, &powercap);
                status.remedy = powercap.remedy(&self.sysfs);
                for problem in &powercap.problems {
                    let text = format!("a part of probe `rapl` cannot be read: {problem}");
                    status.reason = status.reason.map(|it| format!("{it}; {text}"));
                    standing.push(Warning::new(WarningKind::ProbeFailed, text));
                }
                statuses.push(status);
                sources.push(Box::new(powercap));
            }
            Err(absent) => {
                statuses.push(unavailable(powercap::NAME, absent.reason, Some(absent.remedy)));
            }
        }
        for path in self.plugin_paths()? {
            match Plugin::load(&path) {
                Ok(plugin) => {
                    statuses.push(available(plugin.name(), &plugin));
                    sources.push(Box::new(plugin));
                }
                // The probe works, its hardware is not here.
                Err(LoadError::Open { name, reason, remedy, .. }) => {
                    statuses.push(unavailable(&name, reason, remedy));
                }
                Err(error) => return Err(error.into()),
            }
        }
        let sensed =
            sources.iter().flat_map(|it| it.channels()).any(|it| covers_processor(it.domain));
        if let Some(model) = self.estimator {
            statuses.push(if sensed {
                let reason = "not needed: a sensor sees the processor".to_owned();
                unavailable(estimator::NAME, reason, None)
            } else {
                let source = model.source();
                let mut status = available(estimator::NAME, &source);
                status.reason = Some(format!("an estimate: {}", model.description()));
                sources.push(Box::new(source));
                status
            });
        }
        let clock = Box::new(Monotonic::default());
        let meter = Meter::new(sources, statuses, standing, clock, Some(self.interval));
        meter.sample();
        meter.start_sampling(self.interval)?;
        Ok(meter)
    }

    fn plugin_paths(&self) -> Result<Vec<PathBuf>, MeterError> {
        let mut paths = self.plugins.clone();
        for folder in &self.plugin_folders {
            let fail = |source| MeterError::Folder { path: folder.clone(), source };
            let mut found = Vec::new();
            for entry in std::fs::read_dir(folder).map_err(fail)? {
                let path = entry.map_err(fail)?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let library = name.ends_with(std::env::consts::DLL_SUFFIX);
                if name.starts_with("libwattlab_probe_") && library {
                    found.push(path);
                }
            }
            found.sort();
            paths.extend(found);
        }
        Ok(paths)
    }
}

fn available(name: &str, source: &dyn Source) -> ProbeStatus {
    let channels = source.channels().to_vec();
    let devices: Vec<&str> = channels.iter().map(|it| it.device.as_str()).collect();
    ProbeStatus {
        probe: name.to_owned(),
        available: true,
        reason: Some(format!("reads {}", devices.join(", "))),
        channels,
        remedy: None,
    }
}

fn unavailable(name: &str, reason: String, remedy: Option<String>) -> ProbeStatus {
    let probe = name.to_owned();
    ProbeStatus { probe, available: false, channels: Vec::new(), reason: Some(reason), remedy }
}

impl Meter {
    /// Says what to read; by default RAPL, and a CPU-time model where there is none.
    #[must_use]
    pub fn builder() -> Builder {
        Builder {
            sysfs: PathBuf::from("/sys"),
            interval: Duration::from_millis(100),
            plugins: Vec::new(),
            plugin_folders: Vec::new(),
            estimator: Some(Estimator::for_this_processor()),
        }
    }

    /// A meter that reads nothing: every energy is absent.
    #[must_use]
    pub fn noop() -> Self {
        let clock = Box::new(Monotonic::default());
        Self::new(Vec::new(), Vec::new(), Vec::new(), clock, None)
    }

    /// A meter over given sources and a given clock, sampled only at the edges of spans and by
    /// [`Meter::sample`]: for tests and simulations.
    #[must_use]
    pub fn with_sources(sources: Vec<Box<dyn Source>>, clock: Box<dyn Clock>) -> Self {
        let meter = Self::new(sources, Vec::new(), Vec::new(), clock, None);
        meter.sample();
        meter
    }

    fn new(
        sources: Vec<Box<dyn Source>>,
        statuses: Vec<ProbeStatus>,
        standing: Vec<Warning>,
        clock: Box<dyn Clock>,
        interval: Option<Duration>,
    ) -> Self {
        let interval = interval.map(|it| Seconds(it.as_secs_f64()));
        let tracks = sources
            .iter()
            .flat_map(|it| it.channels())
            .map(|it| Track::new(it.clone(), interval))
            .collect();
        let state = State { sources, tracks, open: HashMap::new(), next_id: 0 };
        Self(Arc::new(Shared {
            clock,
            state: Mutex::new(state),
            statuses,
            standing,
            sampler: Mutex::new(None),
        }))
    }

    fn start_sampling(&self, interval: Duration) -> Result<(), MeterError> {
        let shared = Arc::downgrade(&self.0);
        let sampler = thread::Builder::new()
            .name("wattlab-meter".to_owned())
            .spawn(move || sample_until_gone(&shared, interval))
            .map_err(MeterError::Thread)?;
        *lock(&self.0.sampler) = Some(sampler.thread().clone());
        Ok(())
    }

    /// Begins a span.
    pub fn span(&self, name: &str) -> Span {
        let clock = &*self.0.clock;
        let mut state = lock(&self.0.state);
        let first = state.read(clock);
        let tallies = first.iter().map(|(at, outcome)| Tally::begin(*at, outcome)).collect();
        let id = state.next_id;
        state.next_id += 1;
        // The clock comes last here and first at the end: readings are not part of the work.
        let open = Open { start: clock.now(), cpu_ns: cpu_time::process_ns(), tallies };
        state.open.insert(id, open);
        Span { meter: self.clone(), id, name: name.to_owned() }
    }

    pub(crate) fn end(&self, span: &Span) -> SpanReport {
        let mut state = lock(&self.0.state);
        let (end, cpu_ns) = (self.0.clock.now(), cpu_time::process_ns());
        state.read(&*self.0.clock);
        let open = state.open.remove(&span.id).expect("a span is open until it ends or is dropped");
        let channels = state.tracks.iter().map(|it| &it.channel).zip(open.tallies);
        let channels = channels.map(|(channel, mut tally)| {
            tally.end(end);
            (channel, tally)
        });
        let cpu = Seconds(cpu_ns.saturating_sub(open.cpu_ns) as f64 * 1e-9);
        let standing = &self.0.standing;
        let (name, channels) = (&span.name, channels.collect());
        Ended { name, start: open.start, end, cpu, channels, standing }.report()
    }

    pub(crate) fn forget(&self, id: u64) {
        lock(&self.0.state).open.remove(&id);
    }

    /// Reads every channel now. The sampling thread does this by itself.
    pub fn sample(&self) {
        lock(&self.0.state).read(&*self.0.clock);
    }

    /// What can be read here and what cannot.
    #[must_use]
    pub fn probes(&self) -> &[ProbeStatus] {
        &self.0.statuses
    }

    /// The channels that are read, for a run's record.
    #[must_use]
    pub fn probe_uses(&self) -> Vec<ProbeUse> {
        let state = lock(&self.0.state);
        let channels = state.tracks.iter().map(|it| &it.channel);
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

impl State {
    /// Reads every channel and adds what it says to every open span.
    fn read(&mut self, clock: &dyn Clock) -> Vec<(Seconds, Outcome)> {
        let mut outcomes = Vec::with_capacity(self.tracks.len());
        let mut tracks = self.tracks.iter_mut();
        for source in &mut self.sources {
            for (channel, track) in (0..source.channels().len()).zip(&mut tracks) {
                let now = clock.now();
                let reading = source.read(channel).map_err(|it| it.reason);
                outcomes.push((now, track.advance(now, reading)));
            }
        }
        for span in self.open.values_mut() {
            for ((tally, track), (_, outcome)) in
                span.tallies.iter_mut().zip(&self.tracks).zip(&outcomes)
            {
                tally.add(&track.channel, outcome);
            }
        }
        outcomes
    }
}

fn sample_until_gone(shared: &Weak<Shared>, interval: Duration) {
    loop {
        thread::park_timeout(interval);
        let Some(shared) = shared.upgrade() else { return };
        lock(&shared.state).read(&*shared.clock);
    }
}

/// Locks, also after a panic elsewhere: no sum is left half written.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
