//! What a meter reads: sources found, plugins loaded, a model where no sensor is.

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
    clock::{Clock, Monotonic},
    cover::covers_processor,
    estimator::{self, Estimator, GpuModel, MemoryModel},
    hwmon::{self, Hwmon},
    isolate::{IsolateError, Isolated},
    meter::{Meter, MeterError, Observer, Setup},
    perf::{self, Perf},
    plugin::{LoadError, Plugin},
    powercap::{self, Powercap},
    source::{Absent, Channel, Source},
};

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
pub struct Builder {
    sysfs: PathBuf,
    procfs: PathBuf,
    /// `None`: without a sampling thread.
    interval: Option<Duration>,
    deadline: Duration,
    plugins: Vec<PluginFile>,
    isolate: Option<Isolate>,
    plugin_folders: Vec<PathBuf>,
    estimator: Option<Estimator>,
    estimate_memory: bool,
    estimate_gpus: bool,
    attribute: bool,
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

/// What was found so far.
#[derive(Default)]
struct Found {
    sources: Vec<(Box<dyn Source>, Place)>,
    statuses: Vec<ProbeStatus>,
    standing: Vec<Warning>,
}

/// A plugin to load.
#[derive(Clone, Debug)]
struct PluginFile {
    path: PathBuf,
    options: Vec<(String, String)>,
    /// By the user, who wants to know if it cannot be loaded.
    named: bool,
}

/// Makes the command of a plugin's process.
type Isolate = Arc<dyn Fn(&Path, &[(String, String)]) -> Command + Send + Sync>;

/// Where a source is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// By whoever wants to know: it answers within microseconds.
    Here,
    /// On a thread of its own: it may be slow, or hang.
    Apart,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            sysfs: PathBuf::from("/sys"),
            procfs: PathBuf::from("/proc"),
            interval: Some(Duration::from_millis(100)),
            deadline: Duration::from_millis(100),
            plugins: Vec::new(),
            isolate: None,
            plugin_folders: Vec::new(),
            estimator: Some(Estimator::for_this_processor()),
            estimate_memory: false,
            estimate_gpus: false,
            attribute: false,
            observer: None,
        }
    }
}

impl Builder {
    /// Reads this folder in place of `/sys`.
    #[must_use]
    pub fn sysfs(mut self, path: impl AsRef<Path>) -> Self {
        self.sysfs = path.as_ref().to_owned();
        self
    }

    /// Reads this folder's `stat` in place of `/proc/stat`.
    #[must_use]
    pub fn procfs(mut self, path: impl AsRef<Path>) -> Self {
        self.procfs = path.as_ref().to_owned();
        self
    }

    /// Time between two samples; 100 ms unless said otherwise, at least 1 ms. A counter that wraps
    /// faster than this allows is read more often.
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

    /// How long the two ends of a span wait for a source that is read on a thread of its own;
    /// 100 ms unless said otherwise.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Loads a probe from a shared library.
    #[must_use]
    pub fn plugin(self, path: impl AsRef<Path>) -> Self {
        self.plugin_with(path, Vec::new())
    }

    /// Loads a probe from a shared library with options, in its own words.
    #[must_use]
    pub fn plugin_with(mut self, path: impl AsRef<Path>, options: Vec<(String, String)>) -> Self {
        let path = path.as_ref().to_owned();
        self.plugins.push(PluginFile { path, options, named: true });
        self
    }

    /// Loads a probe from a shared library that came along, unless it was named already. If that
    /// fails, the probe is unavailable and no more.
    #[must_use]
    pub fn offer_plugin(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_owned();
        self.plugins.push(PluginFile { path, options: Vec::new(), named: false });
        self
    }

    /// Runs each plugin in a process of its own, which a command starts and in which
    /// [`crate::isolate::serve`] runs: a plugin that crashes takes nothing with it.
    #[must_use]
    pub fn isolate(
        mut self,
        command: impl Fn(&Path, &[(String, String)]) -> Command + Send + Sync + 'static,
    ) -> Self {
        self.isolate = Some(Arc::new(command));
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

    /// Estimates memory by how much of it is used, where no sensor sees it.
    #[must_use]
    pub fn estimate_memory(mut self) -> Self {
        self.estimate_memory = true;
        self
    }

    /// Estimates GPUs by how busy they are, where no sensor sees any.
    #[must_use]
    pub fn estimate_gpus(mut self) -> Self {
        self.estimate_gpus = true;
        self
    }

    /// Also finds out whose energy the processor's is: see [`crate::Attribution`]. It costs a look
    /// into `/proc` at both ends of a span, some ten microseconds and more with many children.
    #[must_use]
    pub fn attribute(mut self) -> Self {
        self.attribute = true;
        self
    }

    /// Is told every sample, on the sampling thread: a time series.
    #[must_use]
    pub fn observer(mut self, observer: impl FnMut(&[crate::Reading]) + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Opens the sources and starts sampling.
    ///
    /// # Errors
    ///
    /// If a plugin that was named cannot be loaded. Hardware that is not there is no error; see
    /// [`Meter::probes`].
    pub fn start(self) -> Result<Meter, MeterError> {
        let mut found = Found::default();
        found.look(powercap::NAME, Powercap::open(&self.sysfs), Place::Here, |it| {
            (it.problems.clone(), it.remedy(&self.sysfs))
        });
        found.look(perf::NAME, Perf::open(&self.sysfs), Place::Here, |it| {
            (it.problems.clone(), (!it.problems.is_empty()).then(perf::remedy))
        });
        // These may take milliseconds, on slow buses and in firmware.
        found.look(hwmon::NAME, Hwmon::open(&self.sysfs), Place::Apart, |it| {
            (it.problems.clone(), None)
        });
        found.look(battery::NAME, Battery::open(&self.sysfs), Place::Apart, |_| (Vec::new(), None));
        let clock: Arc<dyn Clock> = Arc::new(Monotonic::default());
        for plugin in self.plugin_files()? {
            found.load(plugin, self.isolate.as_ref(), &clock)?;
        }
        if let Some(model) = self.estimator {
            found.estimate(&model);
        }
        if self.estimate_memory && !found.sees(Domain::Dram) {
            let memory = MemoryModel::open(&self.procfs);
            found.look(estimator::MEMORY, memory, Place::Apart, |_| (Vec::new(), None));
        }
        if self.estimate_gpus && !found.sees(Domain::Gpu) {
            let gpus = GpuModel::open(&self.sysfs);
            found.look(estimator::GPU, gpus, Place::Apart, |_| (Vec::new(), None));
        }
        Meter::start(Setup {
            sources: found.sources,
            statuses: found.statuses,
            standing: found.standing,
            clock,
            interval: self.interval,
            deadline: self.deadline,
            attributor: self.attribute.then(|| Attributor::new(&self.procfs)),
            observer: self.observer,
        })
    }

    /// Those that were named, those of the folders, and those that came along, each once.
    fn plugin_files(&self) -> Result<Vec<PluginFile>, MeterError> {
        let (mut files, offered): (Vec<_>, Vec<_>) =
            self.plugins.iter().cloned().partition(|it| it.named);
        for folder in &self.plugin_folders {
            let fail = |source| MeterError::Folder { path: folder.clone(), source };
            let found = probe_libraries(folder).map_err(fail)?;
            let file = |path| PluginFile { path, options: Vec::new(), named: true };
            files.extend(found.into_iter().map(file));
        }
        files.extend(offered);
        let mut seen = HashSet::new();
        files.retain(|it| it.path.canonicalize().map_or(true, |path| seen.insert(path)));
        Ok(files)
    }
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
    /// Takes a built-in source, or why it is not there. `problems` tells which of its parts cannot
    /// be read, and the remedy.
    fn look<S: Source + 'static>(
        &mut self,
        name: &str,
        opened: Result<S, Absent>,
        place: Place,
        problems: impl Fn(&S) -> (Vec<String>, Option<String>),
    ) {
        let source = match opened {
            Ok(source) => source,
            Err(absent) => {
                self.statuses.push(unavailable(name, absent.reason, Some(absent.remedy)));
                return;
            }
        };
        let copies = source.channels().iter().all(|channel| {
            channel.identity.is_some() && self.channels().any(|it| it.identity == channel.identity)
        });
        if copies {
            let reason = "not needed: its counters are read already, in another way".to_owned();
            self.statuses.push(unavailable(name, reason, None));
            return;
        }
        let mut status = available(name, &source);
        let (problems, remedy) = problems(&source);
        status.remedy = remedy;
        for problem in &problems {
            let text = format!("a part of probe `{name}` cannot be read: {problem}");
            status.reason = status.reason.map(|it| format!("{it}; {text}"));
            self.standing.push(Warning::new(WarningKind::ProbeFailed, text));
        }
        self.statuses.push(status);
        self.sources.push((Box::new(source), place));
    }

    fn load(
        &mut self,
        plugin: PluginFile,
        isolate: Option<&Isolate>,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), MeterError> {
        let PluginFile { path, options, named } = plugin;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let loaded: Result<Box<dyn Source>, MeterError> = match isolate {
            None => match Plugin::load_with(&path, &options) {
                Ok(plugin) => Ok(Box::new(plugin)),
                // The probe works, its hardware is not here.
                Err(LoadError::Open { name, reason, remedy, .. }) => {
                    self.statuses.push(unavailable(&name, reason, remedy));
                    return Ok(());
                }
                Err(error) => Err(error.into()),
            },
            Some(command) => {
                let (command, path) = (Arc::clone(command), path.clone());
                match Isolated::start(move || command(&path, &options), Arc::clone(clock)) {
                    Ok(plugin) => Ok(Box::new(plugin)),
                    Err(IsolateError::Refused { reason, remedy }) => {
                        self.statuses.push(unavailable(&stem, reason, remedy));
                        return Ok(());
                    }
                    Err(source) => Err(MeterError::Isolate { path: PathBuf::from(&stem), source }),
                }
            }
        };
        match loaded {
            Ok(plugin) => {
                let name = plugin.channels().first().map_or(stem, |it| it.probe.clone());
                self.statuses.push(available(&name, &*plugin));
                self.sources.push((plugin, Place::Apart));
            }
            Err(error) if named => return Err(error),
            Err(error) => self.statuses.push(unavailable(&stem, error.to_string(), None)),
        }
        Ok(())
    }

    fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.sources.iter().flat_map(|it| it.0.channels())
    }

    fn sees(&self, domain: Domain) -> bool {
        self.channels().any(|it| it.domain == domain)
    }

    /// A model of the processor, where no sensor sees it.
    fn estimate(&mut self, model: &Estimator) {
        if self.channels().any(|it| covers_processor(it.domain)) {
            let reason = "not needed: a sensor sees the processor".to_owned();
            self.statuses.push(unavailable(estimator::NAME, reason, None));
            return;
        }
        let source = model.source();
        let mut status = available(estimator::NAME, &source);
        status.reason = Some(format!("an estimate: {}", model.description()));
        self.statuses.push(status);
        self.sources.push((Box::new(source), Place::Here));
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
