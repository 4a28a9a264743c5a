//! `status.json`: how far a study is, for other programs and other terminals.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use record::{Energy, Experiment};
use serde::{Deserialize, Serialize};
use units::limits;

use crate::{executor::RunCounts, surroundings::host};

/// The schema of `status.json`.
pub const STATUS_SCHEMA: &str = "wattlab.status/1";

/// Whether a study is being worked on, and how it ended if not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StudyState {
    /// A process finds out how long the study will take; no run has begun.
    Preparing,
    /// A process does its runs.
    Running,
    /// Every run is done.
    Finished,
    /// The user or the system stopped it; the next call continues.
    Interrupted,
    /// A run failed; the next call tries it again.
    Failed,
    /// Its process ended without writing a last status; the next call continues.
    Killed,
    /// Not every run is known to be done, and there is no status file that says whether a process
    /// works on the study.
    Unknown,
}

impl StudyState {
    /// The word in `status.json` and on the terminal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a process works on the study.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Preparing | Self::Running)
    }
}

/// An experiment as it is when the program starts.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// The experiment.
    pub experiment: Experiment,
    /// The number of its runs.
    pub total: usize,
    /// How many of these are in the journal.
    pub done: usize,
    /// The energy of those in the journal; `None` where nothing was measured or estimated.
    pub joules: Option<Energy>,
    /// The expected time of each run that is left; zero while it is unknown.
    pub each: Duration,
}

/// How far an experiment is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentStatus {
    /// The experiment.
    pub experiment: Experiment,
    /// The number of its runs; `None` where the profile is unknown.
    pub total: Option<usize>,
    /// How many of these are in the journal.
    pub done: usize,
    /// The energy of their main spans; `None` where nothing was measured or estimated.
    pub joules: Option<Energy>,
}

/// How far a study is: the content of `status.json`. The process that works on the study writes it.
/// Everything in it is derived, so losing it loses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyStatus {
    /// [`STATUS_SCHEMA`].
    pub schema: String,
    /// Whether a process works on the study.
    pub state: StudyState,
    /// The name of the profile.
    pub profile: String,
    /// Where runs are executed, such as `local, 4 workers`.
    pub executor: String,
    /// The id of the process; 0 if there is no status file.
    pub pid: u32,
    /// The machine of the process.
    pub host: Option<String>,
    /// When the process began, in seconds since 1970.
    pub started_unix_s: f64,
    /// When this was written, in seconds since 1970.
    pub updated_unix_s: f64,
    /// The experiments, in the order of the research questions.
    pub experiments: Vec<ExperimentStatus>,
    /// The number of runs that are queued, running or lost.
    #[serde(flatten)]
    pub standing: RunCounts,
    /// The energy of all main spans so far; `None` where nothing was measured or estimated.
    pub joules: Option<Energy>,
    /// The expected time until the end, in seconds; `None` while it is unknown.
    pub left_s: Option<f64>,
    /// The expected end, in seconds since 1970; `None` while it is unknown.
    pub ends_unix_s: Option<f64>,
}

impl StudyStatus {
    /// The status of a study on which this process begins to work.
    #[must_use]
    pub fn of(profile: &str, executor: &str) -> Self {
        Self {
            schema: STATUS_SCHEMA.to_owned(),
            state: StudyState::Running,
            profile: profile.to_owned(),
            executor: executor.to_owned(),
            pid: std::process::id(),
            host: host(),
            started_unix_s: now(),
            updated_unix_s: now(),
            experiments: Vec::new(),
            standing: RunCounts::default(),
            joules: None,
            left_s: None,
            ends_unix_s: None,
        }
    }

    /// Sets how far each experiment is, and the energy of all of them.
    pub(super) fn set_experiments(&mut self, experiments: impl Iterator<Item = Start>) {
        let status = |experiment: Start| ExperimentStatus {
            experiment: experiment.experiment,
            total: Some(experiment.total),
            done: experiment.done,
            joules: experiment.joules,
        };
        self.experiments = experiments.map(status).collect();
        self.joules = Energy::total(self.experiments.iter().filter_map(|status| status.joules));
    }

    /// Sets the time that is left from now on.
    pub(super) fn set_time_left(&mut self, left: Option<Duration>) {
        let left = left.filter(|_| self.state == StudyState::Running);
        self.updated_unix_s = now();
        self.left_s = left.map(|left| left.as_secs_f64());
        self.ends_unix_s = self.left_s.map(|left| self.updated_unix_s + left);
    }

    /// A status from a file that somebody else may have written: without times that cannot be, and without
    /// characters that a terminal would obey.
    #[must_use]
    pub fn from_file(mut self) -> Self {
        let plain = |text: &mut String| {
            if text.contains(char::is_control) {
                *text = text.replace(char::is_control, "?");
            }
        };
        plain(&mut self.profile);
        plain(&mut self.executor);
        self.host.iter_mut().for_each(plain);
        self.left_s = self.left_s.filter(|left| limits::DURATION_S.check(*left).is_ok());
        self.ends_unix_s = self.ends_unix_s.filter(|end| limits::UNIX_TIME_S.check(*end).is_ok());
        self
    }

    /// Whether the process that wrote this is gone. Only its own machine can tell; elsewhere this is
    /// false.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.state.is_active()
            && self.host == host()
            && Path::new("/proc/self").exists()
            && !Path::new(&format!("/proc/{}", self.pid)).exists()
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Replaces a file by a rename, so that readers see the old content or the new one. The file is not
/// synced, because its content can be derived again.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(part);
    let replaced = fs::write(&part, content).and_then(|()| fs::rename(&part, path));
    if replaced.is_err() {
        // On a full disk, the unfinished file would stay. If this fails, too, nobody reads it.
        drop(fs::remove_file(&part));
    }
    replaced
}
