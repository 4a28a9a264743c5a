//! Executors: do runs in this process, in worker processes or as jobs of a cluster.
//!
//! The driver gives an executor the specs of runs and gets their records back. Workers outside of this
//! process all use the same protocol: files in a work folder.

mod assignment;
pub(crate) mod files;
mod folder;
mod in_process;
mod processes;
mod processors;
mod roster;
pub(crate) mod slurm;

use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
};

use record::{RunId, RunRecord, RunSpec};
use serde::{Deserialize, Serialize};

pub use self::{
    assignment::Assignment, files::FolderError, in_process::InProcess, slurm::SlurmError,
};
pub(crate) use self::{
    folder::{RunFailure, TakenRun, WorkFolder, WorkerSettings},
    processes::{WorkerProcesses, WorkerResources},
    processors::{allowed, pin, shares},
    roster::Roster,
};
use crate::work::RunError;

/// What an executor reports.
#[derive(Debug)]
pub enum Event {
    /// A run has finished. If two workers did the same run, its record may already be in the journal.
    Record(Box<RunRecord>),
    /// Nothing has finished yet. The caller should check for an interruption and wait again.
    Waiting,
    /// The executor has no runs to do.
    Idle,
}

/// How many runs an executor has queued, running and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunCounts {
    /// Runs that no worker has begun.
    pub queued: usize,
    /// Runs that workers are doing.
    pub running: usize,
    /// How often a worker was lost while it did a run, which another worker then had to do.
    pub lost: usize,
}

/// Why a run or its executor failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The user interrupted the program.
    #[error("interrupted")]
    Interrupted,
    /// A run failed in this process.
    #[error("run {id} failed")]
    Run {
        /// The run.
        id: RunId,
        /// The reason.
        source: RunError,
    },
    /// A run failed in a worker.
    #[error("run {id} failed in worker `{worker}` on `{host}`: {reason}{}", log_words(log.as_ref()))]
    Worker {
        /// The run.
        id: RunId,
        /// The worker.
        worker: String,
        /// The host name of its machine.
        host: String,
        /// The error in the worker.
        reason: String,
        /// The log of the worker.
        log: Option<PathBuf>,
    },
    /// Every worker that began the run was lost.
    #[error("run {id} was given up after {tries} lost workers; the last one was `{worker}`: {reason}{}", log_words(log.as_ref()))]
    Lost {
        /// The run.
        id: RunId,
        /// How many workers were lost.
        tries: u32,
        /// The last worker.
        worker: String,
        /// How the worker ended.
        reason: String,
        /// The log of the worker.
        log: Option<PathBuf>,
    },
    /// Workers end without beginning a run.
    #[error("the workers ended before they began a run; the last one was `{worker}`: {reason}{}", log_words(log.as_ref()))]
    NoWorker {
        /// The last worker.
        worker: String,
        /// How the worker ended.
        reason: String,
        /// The log of the worker.
        log: Option<PathBuf>,
    },
    /// A worker process cannot be started.
    #[error("failed to start worker `{worker}`")]
    Start {
        /// The worker.
        worker: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The work folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Slurm refused a request or does not answer.
    #[error(transparent)]
    Slurm(#[from] slurm::SlurmError),
}

fn log_words(log: Option<&PathBuf>) -> String {
    log.map_or_else(String::new, |path| format!("; its log is `{}`", path.display()))
}

/// Reads the records that workers delivered since the last call; returns how many.
fn gather(
    folder: &WorkFolder,
    open: &mut OpenRuns,
    ready: &mut VecDeque<RunRecord>,
) -> Result<usize, FolderError> {
    let before = ready.len();
    for record in folder.finished()? {
        if !ready.iter().any(|known| known.id == record.id) {
            open.remove(&record.id);
            ready.push_back(record);
        }
    }
    Ok(ready.len() - before)
}

/// Runs that were accepted and whose records have not come.
type OpenRuns = BTreeMap<RunId, Assignment>;

/// Turns the failure of a run in a worker into an error that names the worker's log. A run whose file was damaged is
/// queued again.
fn check_failures(
    folder: &WorkFolder,
    open: &mut OpenRuns,
    order: &mut u64,
) -> Result<(), ExecuteError> {
    let mut failed = None;
    for failure in folder.take_failures()? {
        if !failure.again {
            open.remove(&failure.id);
            failed = Some(failure);
        } else if let Some(run) = open.get(&failure.id) {
            folder.enqueue(*order, run)?;
            *order += 1;
        }
    }
    let Some(RunFailure { id, worker, host, reason, .. }) = failed else { return Ok(()) };
    let log = Some(folder.log(&worker));
    Err(ExecuteError::Worker { id, worker, host, reason, log })
}

/// Does runs and returns their records.
pub trait Executor {
    /// How many unfinished runs the executor accepts.
    fn capacity(&self) -> usize;

    /// Unfinished runs that the executor took over from an earlier call of the program.
    ///
    /// # Errors
    ///
    /// If they cannot be listed.
    fn unfinished(&self) -> Result<Vec<RunSpec>, ExecuteError> {
        Ok(Vec::new())
    }

    /// Accepts runs, which are begun in this order.
    ///
    /// # Errors
    ///
    /// If they cannot be passed on to the workers.
    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError>;

    /// Waits until a run has finished, but only for a moment if workers do the runs.
    ///
    /// # Errors
    ///
    /// If a run fails, or too many of its workers were lost.
    fn wait(&mut self) -> Result<Event, ExecuteError>;

    /// Tells the executor that the record of a run is in the journal, so that it can delete its own copy.
    ///
    /// # Errors
    ///
    /// If the copy cannot be deleted.
    fn acknowledge(&mut self, id: &RunId) -> Result<(), ExecuteError>;

    /// How many runs are queued, running and lost.
    fn counts(&self) -> RunCounts;

    /// Stops: no further run is begun, and running ones are finished, or with `now` stopped. Returns the
    /// records of the runs that have finished.
    ///
    /// # Errors
    ///
    /// If the workers cannot be stopped.
    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError>;
}
