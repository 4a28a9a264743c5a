//! What a meter reads: sources found, plugins loaded, a model where no sensor is.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use record::{Warning, WarningKind};

use crate::{
    attribute::Attributor,
    battery::{self, Battery},
    clock::Monotonic,
    cover::covers_processor,
    estimator::{self, Estimator},
    hwmon::{self, Hwmon},
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
    interval: Duration,
    deadline: Duration,
    plugins: Vec<PathBuf>,
    offered: Vec<PathBuf>,
    plugin_folders: Vec<PathBuf>,
    estimator: Option<Estimator>,
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
            interval: Duration::from_millis(100),
            deadline: Duration::from_millis(100),
            plugins: Vec::new(),
            offered: Vec::new(),
            plugin_folders: Vec::new(),
            estimator: Some(Estimator::for_this_processor()),
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
        self.interval = interval.max(Duration::from_millis(1));
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
    pub fn plugin(mut self, path: impl AsRef<Path>) -> Self {
        self.plugins.push(path.as_ref().to_owned());
        self
    }

    /// Loads a probe from a shared library that came along, unless it was named already. If that
    /// fails, the probe is unavailable and no more.
    #[must_use]
    pub fn offer_plugin(mut self, path: impl AsRef<Path>) -> Self {
        self.offered.push(path.as_ref().to_owned());
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
        let named = self.plugin_paths()?;
        let is_named = |path: &PathBuf| {
            named.iter().any(|it| it.canonicalize().ok() == path.canonicalize().ok())
        };
        let offered = self.offered.iter().filter(|it| !is_named(it));
        let offered = offered.map(|it| (it, true));
        for (path, offered) in named.iter().map(|it| (it, false)).chain(offered) {
            match Plugin::load(path) {
                Ok(plugin) => {
                    found.statuses.push(available(plugin.name(), &plugin));
                    found.sources.push((Box::new(plugin), Place::Apart));
                }
                // The probe works, its hardware is not here.
                Err(LoadError::Open { name, reason, remedy, .. }) => {
                    found.statuses.push(unavailable(&name, reason, remedy));
                }
                Err(error) if offered => {
                    let name = path.file_stem().unwrap_or_default().to_string_lossy();
                    found.statuses.push(unavailable(&name, error.to_string(), None));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if let Some(model) = self.estimator {
            found.estimate(&model);
        }
        Meter::start(Setup {
            sources: found.sources,
            statuses: found.statuses,
            standing: found.standing,
            clock: Arc::new(Monotonic::default()),
            interval: Some(self.interval),
            deadline: self.deadline,
            attributor: self.attribute.then(|| Attributor::new(&self.procfs)),
            observer: self.observer,
        })
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

    fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.sources.iter().flat_map(|it| it.0.channels())
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
