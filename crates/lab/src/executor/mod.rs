//! Executors: where runs are executed.
//!
//! The driver hands out specs and takes back records; nothing else crosses. Workers that are not
//! this process speak one protocol, files in a [`WorkFolder`], wherever they run.

mod folder;
mod here;
mod processes;
mod processors;
pub mod slurm;

use std::{
    collections::{BTreeSet, VecDeque},
    path::PathBuf,
};

use record::{RunId, RunRecord, RunSpec, SpanEnergy};
use serde::{Deserialize, Serialize};

pub use self::{
    folder::{Failed, FolderError, Settings, Taken, WorkFolder},
    here::Here,
    processes::{Place, Processes},
    processors::{allowed, pin, shares},
};
use crate::work::RunError;

/// A run that is handed out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// What is to be done.
    pub spec: RunSpec,
    /// What it cost to choose it.
    pub plan: Option<SpanEnergy>,
    /// How often its worker was lost.
    #[serde(default)]
    pub lost: u32,
}

/// What there is to tell.
#[derive(Debug)]
pub enum Event {
    /// A run ended. Its record may be in the journal already, if two workers did it.
    Record(Box<RunRecord>),
    /// Nothing yet: time to look whether somebody asked for an end.
    Waiting,
    /// No run is under way.
    Idle,
}

/// How many runs are where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Handed out, and no worker has begun.
    pub queued: usize,
    /// Being done.
    pub running: usize,
    /// Times a worker was lost with its run, which was then handed to another one.
    pub lost: usize,
}

/// Why a run or its executor failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// Somebody asked for an end.
    #[error("interrupted")]
    Interrupted,
    /// A run failed in this process.
    #[error("run {id} failed")]
    Run {
        /// Which.
        id: RunId,
        /// Why.
        source: RunError,
    },
    /// A run failed in a worker.
    #[error("run {id} failed in worker `{worker}` on `{host}`: {reason}{}", log_words(log.as_ref()))]
    Worker {
        /// Which.
        id: RunId,
        /// The worker.
        worker: String,
        /// Its machine.
        host: String,
        /// What it said.
        reason: String,
        /// Where it said more.
        log: Option<PathBuf>,
    },
    /// A run lost all its workers.
    #[error("run {id} lost its worker {tries} times, last `{worker}`: {reason}{}", log_words(log.as_ref()))]
    Lost {
        /// Which.
        id: RunId,
        /// So often.
        tries: u32,
        /// The last worker.
        worker: String,
        /// What became of it.
        reason: String,
        /// Where it said more.
        log: Option<PathBuf>,
    },
    /// Workers end without taking a run.
    #[error("workers end without doing anything, last `{worker}`: {reason}{}", log_words(log.as_ref()))]
    NoWorker {
        /// The last one.
        worker: String,
        /// What became of it.
        reason: String,
        /// Where it said more.
        log: Option<PathBuf>,
    },
    /// A worker process cannot be started.
    #[error("failed to start worker `{worker}`")]
    Start {
        /// Which.
        worker: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The work folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Slurm said no.
    #[error(transparent)]
    Slurm(#[from] slurm::SlurmError),
}

fn log_words(log: Option<&PathBuf>) -> String {
    log.map_or_else(String::new, |it| format!("; its log is `{}`", it.display()))
}

/// Takes the records that workers left since the last look; how many.
fn gather(
    folder: &WorkFolder,
    open: &mut BTreeSet<RunId>,
    ready: &mut VecDeque<RunRecord>,
) -> Result<usize, FolderError> {
    let before = ready.len();
    for record in folder.done()? {
        if !ready.iter().any(|it| it.id == record.id) {
            open.remove(&record.id);
            ready.push_back(record);
        }
    }
    Ok(ready.len() - before)
}

/// A run that a worker could not do is an error, with the worker's log.
fn check_failures(folder: &WorkFolder, open: &mut BTreeSet<RunId>) -> Result<(), ExecuteError> {
    let Some(it) = folder.failures()?.pop() else { return Ok(()) };
    open.remove(&it.id);
    let log = Some(folder.log(&it.worker));
    let (worker, host, reason) = (it.worker, it.host, it.reason);
    Err(ExecuteError::Worker { id: it.id, worker, host, reason, log })
}

/// Where runs are executed.
pub trait Executor {
    /// How many runs may be under way at once.
    fn capacity(&self) -> usize;

    /// Runs of an earlier call that are still under way.
    fn under_way(&self) -> Result<Vec<RunSpec>, ExecuteError> {
        Ok(Vec::new())
    }

    /// Takes runs; they are begun in this order.
    ///
    /// # Errors
    ///
    /// If they cannot be handed on.
    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError>;

    /// Waits for what happens next.
    ///
    /// # Errors
    ///
    /// If a run fails, or its workers are lost too often.
    fn wait(&mut self) -> Result<Event, ExecuteError>;

    /// A run's record is in the journal: whatever else holds it may go.
    ///
    /// # Errors
    ///
    /// If it does not go.
    fn kept(&mut self, id: &RunId) -> Result<(), ExecuteError>;

    /// How many runs are where.
    fn standing(&self) -> Standing;

    /// Ends the work: nothing new is begun, and what is being done is finished, or stopped where
    /// there is no time (`now`). The records of runs that ended come back.
    ///
    /// # Errors
    ///
    /// If workers cannot be told.
    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError>;
}
