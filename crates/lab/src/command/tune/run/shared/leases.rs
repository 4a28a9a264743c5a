//! Which worker runs which trial of a study that several processes share.
//!
//! ```text
//! study.jsonl                          the journal: whoever has it open asks and tells
//! study.jsonl.workers/<worker>/alive   locked by the worker's process
//!                              trial-<number>.json   the worker runs this trial
//! ```
//!
//! Leases change only while the journal is open for writing, so a running trial without a lease of a
//! living worker has lost its worker, and may be leased by another.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    io::ErrorKind,
    path::Path,
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::{
    executor::{FolderError, Roster, files},
    surroundings,
};

/// The content of a lease.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    /// How many workers were lost while they ran the trial.
    lost: u32,
}

/// A trial that a worker has leased.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lease {
    worker: String,
    /// How many workers were lost while they ran the trial, before this one.
    pub(super) lost: u32,
    /// Whether the worker is alive.
    pub(super) alive: bool,
}

/// The leases of all workers of a study, one of which is this process.
#[derive(Debug)]
pub(in super::super) struct Leases {
    roster: Roster,
    name: String,
    /// Locked while this process lives.
    _alive: File,
}

impl Leases {
    /// Joins the workers of a study.
    ///
    /// # Errors
    ///
    /// If the folder beside the journal cannot be written, or its file system has no locks.
    pub(in super::super) fn join(journal: &Path) -> anyhow::Result<Self> {
        let mut path = OsString::from(journal);
        path.push(".workers");
        let roster = Roster::new(path.into());
        let name = free_name(&roster)?;
        let (alive, locked) = roster.register(&name)?;
        if !locked {
            bail!(
                "the file system of `{}` has no locks, so workers cannot see each other; keep the \
                 journal on a file system with locks, or run one worker without `--workers`",
                journal.display()
            );
        }
        Ok(Self { roster, name, _alive: alive })
    }

    /// Leases a trial for this worker.
    ///
    /// # Errors
    ///
    /// If the lease cannot be written.
    pub(super) fn take(&self, trial: u32, lost: u32) -> Result<(), FolderError> {
        files::write(&self.roster.folder(&self.name).join(file_name(trial)), &Content { lost })
    }

    /// Whether this worker still has a trial. It has not if others took it for dead, as after a break
    /// of the connection to the file system.
    pub(in super::super) fn owns(&self, trial: u32) -> bool {
        self.roster.folder(&self.name).join(file_name(trial)).exists()
    }

    /// Gives up this worker's lease on a trial.
    ///
    /// # Errors
    ///
    /// If the lease cannot be removed.
    pub(in super::super) fn release(&self, trial: u32) -> Result<(), FolderError> {
        files::remove(&self.roster.folder(&self.name).join(file_name(trial)))
    }

    /// All leases, by trial. A lease that cannot be read counts as one of its worker.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(super) fn all(&self) -> Result<BTreeMap<u32, Lease>, FolderError> {
        let mut found = BTreeMap::new();
        for worker in self.roster.workers()? {
            let alive = worker == self.name || self.roster.is_alive(&worker);
            let folder = self.roster.folder(&worker);
            for name in files::names(&folder)? {
                let Some(trial) = number(&name) else { continue };
                let content: Content = files::read(&folder.join(&name)).unwrap_or_default();
                let lease = Lease { worker: worker.clone(), lost: content.lost, alive };
                // A living worker's lease counts.
                if alive || !found.contains_key(&trial) {
                    found.insert(trial, lease);
                }
            }
        }
        Ok(found)
    }

    /// Removes the leases and the registrations of workers that are dead.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub(super) fn bury(&self) -> Result<(), FolderError> {
        for worker in self.roster.workers()? {
            if worker == self.name || self.roster.is_alive(&worker) {
                continue;
            }
            let folder = self.roster.folder(&worker);
            for name in files::names(&folder)? {
                files::remove(&folder.join(name))?;
            }
            // Some other file may be there, which a person must look at.
            drop(self.roster.unregister(&worker));
        }
        Ok(())
    }
}

impl Drop for Leases {
    /// Leaves the workers of the study.
    fn drop(&mut self) {
        drop(self.roster.unregister(&self.name));
        // It stays while there are other workers.
        drop(fs::remove_dir(self.roster.path()));
    }
}

/// A name that no other worker has: that of the machine, the process, and a number if there was a
/// process of that name before.
fn free_name(roster: &Roster) -> anyhow::Result<String> {
    let path = roster.path();
    let host = surroundings::host().unwrap_or_default();
    for number in 1..=NAMES {
        fs::create_dir_all(path)
            .with_context(|| format!("failed to create `{}`", path.display()))?;
        let name = format!("{host}-{}-{number}", std::process::id());
        let folder = roster.folder(&name);
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(name),
            // Another worker has just left, and removed the folder.
            Err(error)
                if matches!(error.kind(), ErrorKind::AlreadyExists | ErrorKind::NotFound) => {}
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("failed to create `{}`", folder.display()));
            }
        }
    }
    bail!("`{}` has too many workers; remove the folder when none is running", path.display())
}

/// The most workers of one name.
const NAMES: u32 = 1000;

fn file_name(trial: u32) -> String {
    format!("trial-{trial}.json")
}

fn number(name: &str) -> Option<u32> {
    name.strip_prefix("trial-")?.strip_suffix(".json")?.parse().ok()
}
