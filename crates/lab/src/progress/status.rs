//! How a study stands, for other programs and other terminals.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use record::{Energy, Experiment};
use serde::{Deserialize, Serialize};

use crate::{executor::RunCounts, surroundings::host};

/// The schema of `status.json`.
pub const STATUS_SCHEMA: &str = "wattlab.status/1";

/// Whether a study goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StudyState {
    /// A process works on it.
    Running,
    /// Every run is done.
    Finished,
    /// Somebody asked for an end; the next call goes on.
    Interrupted,
    /// A run failed; the next call tries again.
    Failed,
    /// Its process is gone without a word; the next call goes on.
    Killed,
    /// Nobody tells: there is a journal and no status.
    Unknown,
}

impl StudyState {
    /// The word on disk and on the terminal.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Killed => "killed",
            Self::Unknown => "unknown",
        }
    }
}

/// How an experiment stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExperimentStatus {
    /// Which.
    pub experiment: Experiment,
    /// Its runs; `None` where nobody tells.
    pub total: Option<usize>,
    /// Those in the journal.
    pub done: usize,
    /// What their main spans cost.
    pub joules: Option<Energy>,
}

/// How a study stands. Told by the process that works on it, and derived: losing it loses nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudyStatus {
    /// [`STATUS_SCHEMA`].
    pub schema: String,
    /// Whether it goes on.
    pub state: StudyState,
    /// Name of the profile.
    pub profile: String,
    /// Where runs are executed, in words.
    pub executor: String,
    /// The process.
    pub pid: u32,
    /// Its machine.
    pub host: Option<String>,
    /// When the process began, in seconds since 1970.
    pub started_unix_s: f64,
    /// When this was written.
    pub updated_unix_s: f64,
    /// In the order of the questions.
    pub experiments: Vec<ExperimentStatus>,
    /// Runs that are queued, running, lost.
    #[serde(flatten)]
    pub standing: RunCounts,
    /// What all main spans cost so far.
    pub joules: Option<Energy>,
    /// Time until the end.
    pub left_s: Option<f64>,
    /// The end, in seconds since 1970.
    pub ends_unix_s: Option<f64>,
}

impl StudyStatus {
    /// Of this process, which begins.
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

    /// So much time is left from now on.
    pub(super) fn tell_time(&mut self, left: Option<Duration>) {
        let left = left.filter(|_| self.state == StudyState::Running);
        self.updated_unix_s = now();
        self.left_s = left.map(|it| it.as_secs_f64());
        self.ends_unix_s = self.left_s.map(|it| self.updated_unix_s + it);
    }

    /// Whether the process that told this is gone; only its own machine knows.
    #[must_use]
    pub fn is_orphan(&self) -> bool {
        self.state == StudyState::Running
            && self.host == host()
            && Path::new("/proc/self").exists()
            && !Path::new(&format!("/proc/{}", self.pid)).exists()
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Replaces a file at once. It is not synced: what it says can be told again.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(part);
    fs::write(&part, content)?;
    fs::rename(&part, path)
}
