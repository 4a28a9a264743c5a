//! Chooses what a meter reads: sensors of this machine, plugins, sources of your own, and models
//! where there is no sensor.

use std::{
    collections::HashSet,
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use units::{Domain, Warning, WarningKind};

use crate::{
    attribute::Attributor,
    battery::{self, Battery},
    clock::{Clock, MonotonicClock},
    cover::covers_processor,
    estimator::{self, Estimator, GpuModel, MemoryModel},
    hwmon::{self, Hwmon},
    identity,
    loading::{Loader, Missing, Need, PluginFile},
    meter::{Meter, MeterError, Setup},
    powercap::{self, Powercap},
    probe_status::ProbeStatus,
    shared::Observer,
    source::{Absent, Channel, Source},
    workload::Workload,
};

#[cfg(target_os = "linux")]
use crate::perf::{self, Perf};

/// Chooses what a meter reads; made by [`Meter::builder`].
pub struct Builder {
    sysfs: PathBuf,
    procfs: PathBuf,
    /// `None`: no sampling thread.
    interval: Option<Duration>,
    deadline: Duration,
    sources: Vec<Box<dyn Source>>,
    plugins: Vec<PluginFile>,
    loader: Loader,
    plugin_folders: Vec<PathBuf>,
    estimator: Option<Estimator>,
    estimate_memory: bool,
    estimate_gpus: bool,
    attribute: bool,
    workload: Option<Workload>,
    observer: Option<Observer>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("sysfs", &self.sysfs)
            .field("interval", &self.interval)
            .field("plugins", &self.plugins)
            .finish_non_exhaustive()
    }
}

/// The sources found so far.
#[derive(Default)]
struct Found {
    sources: Vec<Box<dyn Source>>,
    statuses: Vec<ProbeStatus>,
    /// Warnings that concern every span.
    standing: Vec<Warning>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sysfs: PathBuf::from("/sys"),
            procfs: PathBuf::from("/proc"),
            interval: Some(Duration::from_millis(100)),
            deadline: Duration::from_millis(100),
            sources: Vec::new(),
            plugins: Vec::new(),
            loader: Loader::default(),
            plugin_folders: Vec::new(),
            estimator: Some(Estimator::for_this_processor()),
            estimate_memory: false,
            estimate_gpus: false,
            attribute: false,
            workload: None,
            observer: None,
        }
    }
}

impl Meter {
    /// Starts to build a meter. By default it reads the sensors of this machine, and estimates the
    /// processor's energy from CPU time if no sensor measures the processor.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl Builder {
    /// Reads this folder instead of `/sys`.
    #[must_use]
    pub fn sysfs(mut self, path: impl AsRef<Path>) -> Self {
        self.sysfs = path.as_ref().to_owned();
        self
    }

    /// Reads this folder instead of `/proc`.
    #[must_use]
    pub fn procfs(mut self, path: impl AsRef<Path>) -> Self {
        self.procfs = path.as_ref().to_owned();
        self
    }

    /// Sets the sampling interval: the time between two readings inside a span. The default is
    /// 100 ms, the minimum 1 ms. A counter that could wrap twice in that time is read more often.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = Some(interval.max(Duration::from_millis(1)));
        self
    }

    /// Starts no sampling thread: channels are read when a span begins or ends, and by
    /// [`Meter::sample`]. Between those readings a counter that wraps twice loses energy, and a
    /// sensor of power is not seen.
    #[must_use]
    pub fn sampled_by_hand(mut self) -> Self {
        self.interval = None;
        self
    }

    /// Sets how long the beginning and the end of a span wait for a source that is read on a thread
    /// of its own. The default is 100 ms.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Reads a source of your own as the built-in ones are read: its channels say what they cover,
    /// in which unit, and when a counter wraps. A source that [may block](Source::may_block) gets a
    /// thread of its own. A model steps in only for parts of the machine that no source covers.
    #[must_use]
    pub fn source(mut self, source: impl Source + 'static) -> Self {
        self.sources.push(Box::new(source));
        self
    }

    /// Loads a probe from a shared library. If it cannot open its hardware, the meter does not start,
    /// unless [`Builder::fall_back`] allows that.
    #[must_use]
    pub fn plugin(self, path: impl AsRef<Path>) -> Self {
        self.plugin_with(path, Vec::new())
    }

    /// As [`Builder::plugin`], with options as keys and values that the probe defines.
    #[must_use]
    pub fn plugin_with(self, path: impl AsRef<Path>, options: Vec<(String, String)>) -> Self {
        self.load(path.as_ref(), options, Need::Required)
    }

    /// As [`Builder::plugin_with`], but if the probe cannot open its hardware, every span has a warning,
    /// and that is no error.
    #[must_use]
    pub fn want_plugin_with(self, path: impl AsRef<Path>, options: Vec<(String, String)>) -> Self {
        self.load(path.as_ref(), options, Need::Wanted)
    }

    /// Loads a probe from a shared library, unless the library was named already. If loading fails,
    /// the probe is listed as not available, and that is no error. Every span has a warning about it
    /// unless its hardware is just missing.
    #[must_use]
    pub fn offer_plugin(self, path: impl AsRef<Path>) -> Self {
        self.load(path.as_ref(), Vec::new(), Need::Offered)
    }

    fn load(mut self, path: &Path, options: Vec<(String, String)>, need: Need) -> Self {
        self.plugins.push(PluginFile { path: path.to_owned(), options, need });
        self
    }

    /// Goes on without a plugin that was named and cannot open its hardware: every span has a warning
    /// about it. A file that is no plugin remains an error.
    #[must_use]
    pub fn fall_back(mut self) -> Self {
        self.loader.fall_back = true;
        self
    }

    /// Sets how long a plugin may take to open its hardware. The default is 10 s.
    #[must_use]
    pub fn plugin_timeout(mut self, timeout: Duration) -> Self {
        self.loader.patience = timeout;
        self
    }

    /// Runs each plugin in a process of its own, so that a plugin that crashes does not end this
    /// program. `command` makes the command that starts the process, given the library and its
    /// options; the process calls [`crate::isolate::serve`].
    #[must_use]
    pub fn isolate(
        mut self,
        command: impl Fn(&Path, &[(String, String)]) -> Command + Send + Sync + 'static,
    ) -> Self {
        self.loader.isolate = Some(Arc::new(command));
        self
    }

    /// Loads every probe of a folder: see [`probe_libraries`]. If one of them cannot open its hardware,
    /// every span has a warning, and that is no error.
    #[must_use]
    pub fn plugin_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.plugin_folders.push(path.as_ref().to_owned());
        self
    }

    /// Sets the model that estimates the processor's energy if no sensor measures the processor;
    /// [`Estimator::none`] turns the estimate off. The default is a model of this processor.
    #[must_use]
    pub fn estimator(mut self, estimator: impl Into<Option<Estimator>>) -> Self {
        self.estimator = estimator.into();
        self
    }

    /// Estimates memory from the number of bytes in use, if no sensor measures it.
    #[must_use]
    pub fn estimate_memory(mut self) -> Self {
        self.estimate_memory = true;
        self
    }

    /// Estimates GPUs from the share of time in which they are busy, if no sensor measures any.
    #[must_use]
    pub fn estimate_gpus(mut self) -> Self {
        self.estimate_gpus = true;
        self
    }

    /// Also divides the processor's energy between this process tree and all others: see
    /// [`crate::Attribution`]. This reads `/proc` at both ends of a span, which takes about ten
    /// microseconds, or more with many child processes.
    #[must_use]
    pub fn attribute(mut self) -> Self {
        self.attribute = true;
        self
    }

    /// Sets the processes that the estimate and the attribution count. Without it, the attribution
    /// counts this process and all that it starts, and the estimate what its
    /// [`Estimator`] says.
    #[must_use]
    pub fn workload(mut self, workload: Workload) -> Self {
        self.workload = Some(workload);
        self
    }

    /// Calls a function with every sample, on the sampling thread: for a time series.
    #[must_use]
    pub fn observer(mut self, observer: impl FnMut(&[crate::Reading]) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Opens the sources and starts sampling.
    ///
    /// # Errors
    ///
    /// If a plugin that was named cannot be opened, or a channel of a source of your own is not
    /// described in a usable way. Other missing hardware is no error; see [`Meter::probes`].
    pub fn start(self) -> Result<Meter, MeterError> {
        let mut found = Found::default();
        let rapl = Powercap::open(&self.sysfs);
        found.standing.extend(rapl.iter().flat_map(Powercap::doubts));
        found.look(powercap::NAME, rapl, |source| {
            (source.problems.clone(), source.remedy(&self.sysfs))
        });
        #[cfg(target_os = "linux")]
        found.look(perf::NAME, Perf::open(&self.sysfs), |source| {
            (source.problems.clone(), (!source.problems.is_empty()).then(perf::remedy))
        });
        if !found.channels().any(is_rapl) {
            found.standing.extend(powercap::denied(&self.sysfs));
        }
        found.look(hwmon::NAME, Hwmon::open(&self.sysfs), |source| {
            (source.problems.clone(), source.remedy())
        });
        found.look(battery::NAME, Battery::open(&self.sysfs), |_| (Vec::new(), None));
        let clock: Arc<dyn Clock> = Arc::new(MonotonicClock::default());
        for plugin in plugin_files(&self.plugins, &self.plugin_folders)? {
            found.load(&plugin, &self.loader, &clock)?;
        }
        for source in self.sources {
            found.take(source)?;
        }
        if let Some(model) = self.estimator {
            found.estimate(&model, &self.sysfs, self.workload.as_ref());
        }
        if self.estimate_memory && !found.covers(Domain::Dram) {
            let memory = MemoryModel::open(&self.procfs);
            found.look(estimator::MEMORY, memory, |_| (Vec::new(), None));
        }
        if self.estimate_gpus && !found.covers(Domain::Gpu) {
            let gpus = GpuModel::open(&self.sysfs);
            found.look(estimator::GPU, gpus, |_| (Vec::new(), None));
        }
        // Plugins that run in processes of their own have been started by now.
        self.workload.iter().for_each(Workload::exclude_running);
        let workload = self.workload;
        let attributor = self.attribute.then(|| {
            Attributor::new(&self.procfs, workload.unwrap_or_else(Workload::process_tree))
        });
        Meter::start(Setup {
            sources: found.sources,
            threads: true,
            statuses: found.statuses,
            standing: found.standing,
            clock,
            interval: self.interval,
            deadline: self.deadline,
            attributor,
            observer: self.observer,
        })
    }
}

/// The plugins that were named, then those of the folders, then those that were offered, each once.
fn plugin_files(
    plugins: &[PluginFile],
    folders: &[PathBuf],
) -> Result<Vec<PluginFile>, MeterError> {
    let (mut files, offered): (Vec<_>, Vec<_>) =
        plugins.iter().cloned().partition(|plugin| plugin.need != Need::Offered);
    for folder in folders {
        let fail = |source| MeterError::Folder { path: folder.clone(), source };
        let found = probe_libraries(folder).map_err(fail)?;
        let file = |path| PluginFile { path, options: Vec::new(), need: Need::Wanted };
        files.extend(found.into_iter().map(file));
    }
    files.extend(offered);
    let mut seen = HashSet::new();
    files.retain(|plugin| plugin.path.canonicalize().map_or(true, |path| seen.insert(path)));
    Ok(files)
}

/// The shared libraries of a folder that [`Builder::plugin_dir`] loads: the files named
/// `libwattlab_probe_*`, sorted.
///
/// # Errors
///
/// If the folder cannot be listed.
pub fn probe_libraries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let library = name.ends_with(std::env::consts::DLL_SUFFIX);
        if name.starts_with("libwattlab_probe_") && library {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl Found {
    /// Takes a built-in source, or the reason why it is not available. `problems` returns which of
    /// its parts cannot be read, and the remedy.
    fn look<S: Source + 'static>(
        &mut self,
        name: &str,
        opened: Result<S, Absent>,
        problems: impl Fn(&S) -> (Vec<String>, Option<String>),
    ) {
        let source = match opened {
            Ok(source) => source,
            Err(absent) => {
                self.statuses.push(unavailable(name, absent.reason, Some(absent.remedy)));
                return;
            }
        };
        if self.has_copies_of(&source) {
            self.statuses.push(unavailable(name, COPIES.to_owned(), None));
            return;
        }
        let mut status = available(name, &source);
        let (problems, remedy) = problems(&source);
        status.remedy = remedy;
        for problem in &problems {
            let text = format!("a part of probe `{name}` cannot be read: {problem}");
            status.reason = status.reason.map(|reason| format!("{reason}; {text}"));
            self.standing.push(Warning::new(WarningKind::ProbeFailed, text));
        }
        self.statuses.push(status);
        self.sources.push(Box::new(source));
    }

    /// Takes a source of the user's own.
    fn take(&mut self, source: Box<dyn Source>) -> Result<(), MeterError> {
        let channels = source.channels();
        let name = channels.first().map_or("source", |channel| channel.probe.as_str()).to_owned();
        if let Some((channel, problem)) =
            channels.iter().find_map(|channel| Some((channel, channel.problem()?)))
        {
            let (probe, device) = (channel.probe.clone(), channel.device.clone());
            return Err(MeterError::Channel { probe, device, problem });
        }
        if channels.is_empty() {
            self.statuses.push(unavailable(&name, "it has no channels".to_owned(), None));
        } else if self.has_copies_of(&*source) {
            self.statuses.push(unavailable(&name, COPIES.to_owned(), None));
        } else {
            self.statuses.push(available(&name, &*source));
            self.sources.push(source);
        }
        Ok(())
    }

    fn load(
        &mut self,
        plugin: &PluginFile,
        loader: &Loader,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), MeterError> {
        match loader.open(plugin, clock)? {
            Ok(source) => {
                let name =
                    source.channels().first().map_or("plugin", |channel| channel.probe.as_str());
                self.statuses.push(available(name, &*source));
                self.sources.push(source);
            }
            Err(Missing { name, reason, remedy, warns }) => {
                if warns {
                    let remedy = remedy.as_ref().map(|text| format!("; {text}"));
                    let text = format!(
                        "plugin `{name}` is not read: {reason}{}",
                        remedy.unwrap_or_default()
                    );
                    self.standing.push(Warning::new(WarningKind::ProbeFailed, text));
                }
                self.statuses.push(unavailable(&name, reason, remedy));
            }
        }
        Ok(())
    }

    fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.sources.iter().flat_map(|source| source.channels())
    }

    fn covers(&self, domain: Domain) -> bool {
        let covers = |channel: &Channel| {
            channel.domain == domain || channel.overlap.contains.contains(&domain)
        };
        self.channels().any(covers)
    }

    /// Whether every channel of a source is a counter that another source reads already.
    fn has_copies_of(&self, source: &dyn Source) -> bool {
        source.channels().iter().all(|channel| {
            let same = |known: &Channel| {
                identity::same(known.identity.as_deref(), channel.identity.as_deref())
            };
            self.channels().any(same)
        })
    }

    /// Adds a model of the processor, if no sensor measures it.
    fn estimate(&mut self, model: &Estimator, sysfs: &Path, workload: Option<&Workload>) {
        if self.channels().any(|channel| covers_processor(channel.domain)) {
            let reason = "not needed: a sensor measures the processor".to_owned();
            self.statuses.push(unavailable(estimator::NAME, reason, None));
            return;
        }
        let source = model.source(sysfs, workload);
        let mut status = available(estimator::NAME, &source);
        let described = source.channels().first().and_then(|channel| channel.model.clone());
        status.reason = Some(format!("an estimate: {}", described.unwrap_or_default()));
        self.statuses.push(status);
        self.sources.push(Box::new(source));
    }
}

/// Whether a channel is one of RAPL's counters, however it is read.
fn is_rapl(channel: &Channel) -> bool {
    channel.identity.as_ref().is_some_and(|identity| identity.starts_with("rapl/"))
}

/// Why a source is not read whose every counter another source reads.
const COPIES: &str = "not needed: its counters are read already by another probe";

fn available(name: &str, source: &dyn Source) -> ProbeStatus {
    let channels = source.channels().to_vec();
    let devices: Vec<&str> = channels.iter().map(|channel| channel.device.as_str()).collect();
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
