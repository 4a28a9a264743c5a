//! Opens the plugins of a meter, in this process or in processes of their own.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use crate::{
    clock::Clock,
    isolate::{IsolateError, Isolated},
    meter::MeterError,
    plugin::{HUNG, LoadError, OPENS_WITHIN, Plugin},
    source::Source,
};

/// A plugin to load.
#[derive(Clone, Debug)]
pub(crate) struct PluginFile {
    pub(crate) path: PathBuf,
    pub(crate) options: Vec<(String, String)>,
    pub(crate) need: Need,
}

/// How much a plugin is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// The user named it: without it there is no meter, unless the user allows that.
    Required,
    /// The user expects it: it must be a plugin, but its hardware may be missing, with a warning.
    Wanted,
    /// It is used if it works.
    Offered,
}

/// Makes the command that starts a plugin's process.
pub(crate) type Isolate = Arc<dyn Fn(&Path, &[(String, String)]) -> Command + Send + Sync>;

/// How plugins are opened.
pub(crate) struct Loader {
    /// `None`: in this process.
    pub(crate) isolate: Option<Isolate>,
    pub(crate) patience: Duration,
    /// Whether a plugin that was named may lack its hardware, with a warning.
    pub(crate) fall_back: bool,
}

impl Default for Loader {
    fn default() -> Self {
        Self { isolate: None, patience: OPENS_WITHIN, fall_back: false }
    }
}

/// Why a plugin is not read, although the meter can do without it.
pub(crate) struct Missing {
    pub(crate) name: String,
    pub(crate) reason: String,
    pub(crate) remedy: Option<String>,
    /// Whether every span warns that it is missing.
    pub(crate) warns: bool,
}

/// Why a plugin cannot be read.
struct Trouble {
    missing: Missing,
    /// It is a plugin, but cannot open its hardware.
    closed: bool,
    error: MeterError,
}

impl Loader {
    /// Opens a plugin.
    ///
    /// # Errors
    ///
    /// If it cannot be opened and the meter cannot do without it.
    pub(crate) fn open(
        &self,
        plugin: &PluginFile,
        clock: &Arc<dyn Clock>,
    ) -> Result<Result<Box<dyn Source>, Missing>, MeterError> {
        let opened = match &self.isolate {
            None => self.here(plugin),
            Some(command) => self.isolated(plugin, Arc::clone(command), clock),
        };
        let trouble = match opened {
            Ok(source) if !source.channels().is_empty() => return Ok(Ok(source)),
            // Hardware that is missing is an error of `open`; this plugin hides it.
            Ok(_) => Trouble::empty(plugin),
            Err(trouble) => *trouble,
        };
        let allowed = match plugin.need {
            Need::Required => self.fall_back && trouble.closed,
            Need::Wanted => trouble.closed,
            Need::Offered => true,
        };
        if allowed { Ok(Err(trouble.missing)) } else { Err(trouble.error) }
    }

    fn here(&self, plugin: &PluginFile) -> Result<Box<dyn Source>, Box<Trouble>> {
        match Plugin::load_within(&plugin.path, &plugin.options, self.patience) {
            Ok(source) => Ok(Box::new(source)),
            Err(error) => Err(Box::new(Trouble::of(plugin, error))),
        }
    }

    fn isolated(
        &self,
        plugin: &PluginFile,
        command: Isolate,
        clock: &Arc<dyn Clock>,
    ) -> Result<Box<dyn Source>, Box<Trouble>> {
        let PluginFile { path, options, .. } = plugin.clone();
        let command = move || command(&path, &options);
        match Isolated::start_within(command, Arc::clone(clock), self.patience) {
            Ok(source) => Ok(Box::new(source)),
            Err(IsolateError::Open { name, code, reason, remedy }) => {
                let error = LoadError::Open { name, code, reason, remedy };
                Err(Box::new(Trouble::of(plugin, error)))
            }
            Err(error) => Err(Box::new(Trouble::apart(plugin, error))),
        }
    }
}

impl Trouble {
    fn of(plugin: &PluginFile, error: LoadError) -> Self {
        if let LoadError::Open { name, code, reason, remedy } = &error {
            // Most machines lack the hardware of a plugin that is only offered.
            let warns = plugin.need != Need::Offered || *code == HUNG;
            let (name, reason, remedy) = (name.clone(), reason.clone(), remedy.clone());
            let missing = Missing { name, reason, remedy, warns };
            return Self { missing, closed: true, error: error.into() };
        }
        let (name, reason) = (stem(plugin), error.in_full());
        let missing = Missing { name, reason, remedy: None, warns: true };
        Self { missing, closed: false, error: error.into() }
    }

    /// It runs in a process of its own.
    fn apart(plugin: &PluginFile, source: IsolateError) -> Self {
        let name = stem(plugin);
        Self {
            missing: Missing { name, reason: source.to_string(), remedy: None, warns: true },
            // It crashed or hung while it opened its hardware.
            closed: matches!(source, IsolateError::Lost(_)),
            error: MeterError::Isolate { path: plugin.path.clone(), source },
        }
    }

    fn empty(plugin: &PluginFile) -> Self {
        let (name, problem) = (stem(plugin), "it lists no channels".to_owned());
        let reason = problem.clone();
        Self {
            missing: Missing { name: name.clone(), reason, remedy: None, warns: true },
            closed: true,
            error: LoadError::Channel { name, problem }.into(),
        }
    }
}

/// The name of the file, for a plugin that has not told its own.
fn stem(plugin: &PluginFile) -> String {
    plugin.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
