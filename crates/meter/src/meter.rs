//! The meter: sources, a sampling thread, spans.

use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::{self, Thread},
    time::Duration,
};

use record::{Domain, ProbeUse, Watts};

use crate::{
    clock::{Clock, Monotonic},
    estimator::{Estimator, cpu_time_ns},
    plugin::{LoadError, Plugin},
    powercap::{self, Powercap},
    source::Source,
    span::{Reading, Span, SpanReport, report},
    track::Track,
};

/// Measures spans of work. Clones share one meter; the last one to go stops the sampling thread.
#[derive(Clone)]
pub struct Meter(Arc<Shared>);

struct Shared {
    clock: Box<dyn Clock>,
    state: Mutex<State>,
    statuses: Vec<ProbeStatus>,
    sampler: Mutex<Option<Thread>>,
}

struct State {
    sources: Vec<Box<dyn Source>>,
    /// Of all sources, one after the other.
    tracks: Vec<Track>,
    /// Highest power of each channel in each open span.
    open: HashMap<u64, Vec<Option<Watts>>>,
    next_id: u64,
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeStatus {
    /// The probe's name.
    pub probe: String,
    /// Whether it is read.
    pub available: bool,
    /// Its channels in words, if it is; why not, otherwise.
    pub reason: Option<String>,
    /// What to do about it.
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
    pub fn sysfs(mut self, path: &Path) -> Self {
        path.clone_into(&mut self.sysfs);
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
    pub fn plugin(mut self, path: &Path) -> Self {
        self.plugins.push(path.to_owned());
        self
    }

    /// Loads every shared library `libwattlab_probe_*` of a folder.
    #[must_use]
    pub fn plugin_dir(mut self, path: &Path) -> Self {
        self.plugin_folders.push(path.to_owned());
        self
    }

    /// Estimates the processor's energy by this model where no counter can be read, or not at all.
    #[must_use]
    pub fn estimator(mut self, estimator: Option<Estimator>) -> Self {
        self.estimator = estimator;
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
        match Powercap::open(&self.sysfs) {
            Ok(powercap) => {
                statuses.push(available(powercap::NAME, &powercap));
                sources.push(Box::new(powercap));
            }
            Err(absent) => statuses.push(ProbeStatus {
                probe: powercap::NAME.to_owned(),
                available: false,
                reason: Some(absent.reason),
                remedy: Some(absent.remedy),
            }),
        }
        for path in self.plugin_paths()? {
            match Plugin::load(&path) {
                Ok(plugin) => {
                    statuses.push(available(plugin.name(), &plugin));
                    sources.push(Box::new(plugin));
                }
                // The probe works, its hardware is not here.
                Err(LoadError::Open { name, reason, .. }) => statuses.push(ProbeStatus {
                    probe: name,
                    available: false,
                    reason: Some(reason),
                    remedy: None,
                }),
                Err(error) => return Err(error.into()),
            }
        }
        let measured = sources
            .iter()
            .flat_map(|it| it.channels())
            .any(|it| it.domain == Domain::CpuPackage);
        if let Some(estimator) = self.estimator.filter(|_| !measured) {
            let source = estimator.source();
            statuses.push(ProbeStatus {
                probe: "cpu-time".to_owned(),
                available: true,
                reason: Some(format!("an estimate: {}", estimator.description())),
                remedy: None,
            });
            sources.push(Box::new(source));
        }
        Meter::start(sources, statuses, Box::new(Monotonic::default()), Some(self.interval))
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
    let channels: Vec<String> = source.channels().iter().map(|it| it.device.clone()).collect();
    ProbeStatus {
        probe: name.to_owned(),
        available: true,
        reason: Some(format!("reads {}", channels.join(", "))),
        remedy: None,
    }
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
        Self::new(Vec::new(), Vec::new(), Box::new(Monotonic::default()))
    }

    /// A meter over given sources and a given clock, sampled only at the edges of spans and by
    /// [`Meter::sample`]: for tests and simulations.
    #[must_use]
    pub fn with_sources(sources: Vec<Box<dyn Source>>, clock: Box<dyn Clock>) -> Self {
        let meter = Self::new(sources, Vec::new(), clock);
        meter.sample();
        meter
    }

    fn new(sources: Vec<Box<dyn Source>>, statuses: Vec<ProbeStatus>, clock: Box<dyn Clock>) -> Self {
        let tracks =
            sources.iter().flat_map(|it| it.channels()).cloned().map(Track::new).collect();
        let state = State { sources, tracks, open: HashMap::new(), next_id: 0 };
        Self(Arc::new(Shared { clock, state: Mutex::new(state), statuses, sampler: Mutex::new(None) }))
    }

    fn start(
        sources: Vec<Box<dyn Source>>,
        statuses: Vec<ProbeStatus>,
        clock: Box<dyn Clock>,
        interval: Option<Duration>,
    ) -> Result<Self, MeterError> {
        let meter = Self::new(sources, statuses, clock);
        meter.sample();
        if let Some(interval) = interval {
            let shared = Arc::downgrade(&meter.0);
            let sampler = thread::Builder::new()
                .name("wattlab-meter".to_owned())
                .spawn(move || sample_until_gone(&shared, interval))
                .map_err(MeterError::Thread)?;
            *lock(&meter.0.sampler) = Some(sampler.thread().clone());
        }
        Ok(meter)
    }

    /// Begins a span.
    pub fn span(&self, name: &str) -> Span {
        let mut state = lock(&self.0.state);
        let start = state.read(&*self.0.clock);
        let id = state.next_id;
        state.next_id += 1;
        let channels = state.tracks.len();
        state.open.insert(id, vec![None; channels]);
        Span { meter: self.clone(), id, name: name.to_owned(), start }
    }

    pub(crate) fn end(&self, span: &Span) -> SpanReport {
        let mut state = lock(&self.0.state);
        let end = state.read(&*self.0.clock);
        let peaks = state.open.remove(&span.id).unwrap_or_default();
        report(&span.name, &span.start, &end, &state.tracks, &peaks)
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
    fn read(&mut self, clock: &dyn Clock) -> Reading {
        let mut track = 0;
        let mut powers = vec![None; self.tracks.len()];
        for source in &mut self.sources {
            for channel in 0..source.channels().len() {
                // The reason of a failure is told once a span, by its count.
                let raw = source.read(channel).ok();
                powers[track] = self.tracks[track].advance(clock.now(), raw);
                track += 1;
            }
        }
        for peaks in self.open.values_mut() {
            for (peak, power) in peaks.iter_mut().zip(&powers) {
                if let Some(power) = power {
                    *peak = Some(peak.map_or(*power, |it| if it < *power { *power } else { it }));
                }
            }
        }
        Reading {
            at: clock.now(),
            cpu_ns: cpu_time_ns(),
            sums: self.tracks.iter().map(|it| it.sums).collect(),
        }
    }
}

fn sample_until_gone(shared: &Weak<Shared>, interval: Duration) {
    loop {
        thread::park_timeout(interval);
        let Some(shared) = shared.upgrade() else { return };
        lock(&shared.state).read(&*shared.clock);
    }
}

/// Locks, also after a panic elsewhere: the sums are written one by one and stay readable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
