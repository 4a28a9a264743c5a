//! The work folder, through which the writer of the journal sends runs to its workers and gets records
//! back, on one machine or over a shared file system.
//!
//! ```text
//! work/settings.json              settings of all workers
//!      todo/<order>-<id>.json     a run that no worker has begun
//!      taken/<worker>/<name>      a run that this worker has begun; it was moved here by a rename
//!      done/<id>.json             the record of a finished run
//!      failed/<id>.json           why a run failed
//!      failed/<name>.bad          a file that was set aside; `<name>.bad.txt` says why
//!      jobs/<job>.json            a job that was submitted to Slurm
//!      logs/                      the logs of the workers
//!      bin-<sha256>               the program that jobs run
//!      closed                     exists when no more runs will come
//! ```
//!
//! Files are written under another name, synced and renamed, so that a file with its final name is
//! always complete. A worker writes the record into `done` before it removes the run from `taken`, and
//! the writer removes a record only after it is in the journal. So a run that has used energy is at any
//! moment in the journal, in `done` or in `taken`.
//!
//! Everybody who can write to the folder can put there what they like. What cannot be a file of this program is
//! set aside with the reason, and its run is queued again.

mod aside;
mod sound_record;

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use record::{RunId, RunRecord};
use serde::{Deserialize, Serialize};
use units::limits::{self, OutOfRange};

use self::sound_record::sound_record;

use super::{
    assignment::Assignment,
    files::{FolderError, fail, names, read, read_if_there, remove, rename, there, write},
    roster::Roster,
};
use crate::{config::IsolationConfig, sensing::Sensing};

/// The settings of all workers: `settings.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WorkerSettings {
    /// Folder with the files of the data sets; `None` for embedded data sets only.
    pub(crate) data_dir: Option<PathBuf>,
    /// Which sensors to read, and what to estimate.
    pub(crate) sensing: Sensing,
    /// Device that networks run on: `cpu`, `cuda:0`, ….
    #[serde(default = "cpu")]
    pub(crate) device: String,
    /// Whether energy may only be measured, not estimated.
    #[serde(default)]
    pub(crate) measured: bool,
    /// How runs are kept from disturbing each other.
    pub(crate) isolation: IsolationConfig,
    /// Whether other runs may be done on the machine of a worker at the same time.
    pub(crate) together: bool,
    /// How many runs a worker does before it ends; `None` for no limit.
    pub(crate) runs: Option<u32>,
    /// How long a worker waits for another run before it ends, in seconds.
    pub(crate) linger_s: f64,
}

fn cpu() -> String {
    "cpu".to_owned()
}

impl WorkerSettings {
    fn check(&self) -> Result<(), OutOfRange> {
        let of = |key: &'static str| move |error: OutOfRange| error.of_key(key);
        limits::LINGER_S.check(self.linger_s).map_err(of("linger_s"))?;
        limits::WAIT_S.check(self.isolation.rest_s).map_err(of("isolation.rest_s"))?;
        limits::RETRIES.check(self.isolation.repeats).map_err(of("isolation.repeats"))?;
        if let Some(share) = self.isolation.max_outside_load {
            let key = "isolation.max_outside_load";
            limits::POSITIVE_SHARE.check(share).map_err(of(key))?;
        }
        Ok(())
    }
}

/// Why a run failed: `failed/<id>.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunFailure {
    /// The run.
    pub(crate) id: RunId,
    /// The worker that did it.
    pub(crate) worker: String,
    /// Host name of the worker's machine.
    pub(crate) host: String,
    /// The error message.
    pub(crate) reason: String,
    /// Whether nothing is wrong with the run itself: its file was damaged, and it can be done again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) again: bool,
}

/// A run that a worker has begun.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TakenRun {
    /// The worker.
    pub(crate) worker: String,
    /// Name of the file, which begins with the number of the run in the order.
    pub(crate) name: String,
    /// The run.
    pub(crate) run: Assignment,
}

/// A work folder; see the module's documentation.
#[derive(Clone, Debug)]
pub(crate) struct WorkFolder {
    path: PathBuf,
}

const FOLDERS: [&str; 6] = ["todo", "taken", "done", "failed", "jobs", "logs"];

impl WorkFolder {
    /// Opens a work folder, or creates it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created.
    pub(crate) fn open(path: &Path) -> Result<Self, FolderError> {
        for folder in FOLDERS {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(fail("create", &folder))?;
        }
        let path = path.canonicalize().map_err(fail("find", path))?;
        Ok(Self { path })
    }

    /// The absolute path of the folder.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the log of a worker.
    #[must_use]
    pub(crate) fn log(&self, worker: &str) -> PathBuf {
        self.path.join("logs").join(format!("{worker}.log"))
    }

    /// Writes the settings of the workers.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn write_settings(&self, settings: &WorkerSettings) -> Result<(), FolderError> {
        write(&self.path.join("settings.json"), settings)
    }

    /// Reads the settings of the workers.
    ///
    /// # Errors
    ///
    /// If the file does not exist, is damaged, or holds a number that is out of range.
    pub(crate) fn settings(&self) -> Result<WorkerSettings, FolderError> {
        let path = self.path.join("settings.json");
        let settings: WorkerSettings = read(&path)?;
        match settings.check() {
            Ok(()) => Ok(settings),
            Err(error) => Err(FolderError::Damaged { path, reason: error.to_string() }),
        }
    }

    /// Tells the workers whether to end when no run is queued (`closed`) or to wait for more.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub(crate) fn close(&self, closed: bool) -> Result<(), FolderError> {
        let path = self.path.join("closed");
        if closed {
            return fs::write(&path, b"").map_err(fail("write", &path));
        }
        remove(&path)
    }

    /// Whether no more runs will come.
    #[must_use]
    pub(crate) fn is_closed(&self) -> bool {
        self.path.join("closed").exists()
    }

    /// Adds a run to the queue. Runs with lower `order` are begun first.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn enqueue(&self, order: u64, run: &Assignment) -> Result<(), FolderError> {
        let name = format!("{order:010}-{}.json", run.spec.id());
        write(&self.path.join("todo").join(name), run)
    }

    /// The runs that no worker has begun, in their order, with the names of their files.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or written.
    pub(crate) fn queued(&self) -> Result<Vec<(String, Assignment)>, FolderError> {
        let mut found = Vec::new();
        for name in names(&self.path.join("todo"))? {
            // `None` if a worker has begun it since the files were listed.
            let path = self.path.join("todo").join(&name);
            if let Some(run) = self.sound(&path, read_if_there(&path))?.flatten() {
                found.push((name, run));
            }
        }
        Ok(found)
    }

    /// How many runs no worker has begun.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(crate) fn queued_count(&self) -> Result<usize, FolderError> {
        Ok(names(&self.path.join("todo"))?.len())
    }

    /// The order of the next run: one more than the highest in use.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(crate) fn next_order(&self) -> Result<u64, FolderError> {
        let mut all = names(&self.path.join("todo"))?;
        all.extend(self.taken()?.into_iter().map(|taken| taken.name));
        let orders = all.iter().filter_map(|name| name.split('-').next()?.parse::<u64>().ok());
        Ok(orders.max().map_or(0, |last| last + 1))
    }

    /// How many runs of a folder are queued, and how many workers have begun. Creates nothing.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(crate) fn run_counts(path: &Path) -> Result<(usize, usize), FolderError> {
        let folder = Self { path: path.to_owned() };
        let taken = if path.join("taken").is_dir() { folder.taken()?.len() } else { 0 };
        Ok((folder.queued_count()?, taken))
    }

    /// Removes runs that no worker has begun from the queue, except those that `keep` accepts.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or removed.
    pub(crate) fn withdraw(&self, keep: impl Fn(&Assignment) -> bool) -> Result<(), FolderError> {
        for (name, run) in self.queued()? {
            if !keep(&run) {
                remove(&self.path.join("todo").join(name))?;
            }
        }
        Ok(())
    }

    /// Registers a worker. The returned file is locked until it is dropped or the worker's process ends.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub(crate) fn register(&self, worker: &str) -> Result<File, FolderError> {
        // Some shared file systems have no locks. There, the scheduler knows which workers are alive.
        Ok(self.roster().register(worker)?.0)
    }

    /// Whether the process of a worker on this machine is alive.
    #[must_use]
    pub(crate) fn is_alive(&self, worker: &str) -> bool {
        self.roster().is_alive(worker)
    }

    fn roster(&self) -> Roster {
        Roster::new(self.path.join("taken"))
    }

    /// Takes the first run of the queue for this worker; `None` if the queue is empty.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or written.
    pub(crate) fn take(&self, worker: &str) -> Result<Option<TakenRun>, FolderError> {
        for name in names(&self.path.join("todo"))? {
            let (from, to) = (self.path.join("todo").join(&name), self.begun(worker, &name));
            match rename(&from, &to) {
                Ok(()) => {}
                // Another worker was faster.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(fail("take", &from)(source)),
            }
            // If the file is not seen there yet, the writer gives the run back once this worker has ended.
            if let Some(run) = self.sound(&to, read_if_there(&to))?.flatten() {
                return Ok(Some(TakenRun { worker: worker.to_owned(), run, name }));
            }
        }
        Ok(None)
    }

    /// Path of the file of a run that a worker has begun.
    fn begun(&self, worker: &str, name: &str) -> PathBuf {
        self.path.join("taken").join(worker).join(name)
    }

    /// The runs that workers have begun and not finished, whether the workers are alive or not.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(crate) fn taken(&self) -> Result<Vec<TakenRun>, FolderError> {
        let mut found = Vec::new();
        for worker in self.workers()? {
            let folder = self.path.join("taken").join(&worker);
            for name in names(&folder)? {
                let path = folder.join(&name);
                if let Some(run) = self.sound(&path, read_if_there(&path))?.flatten() {
                    found.push(TakenRun { worker: worker.clone(), name, run });
                }
            }
        }
        Ok(found)
    }

    /// Names of the registered workers.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(crate) fn workers(&self) -> Result<Vec<String>, FolderError> {
        self.roster().workers()
    }

    /// Puts an unfinished run back into the queue. `lost`: its worker died while it did the run.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub(crate) fn give_back(&self, taken: &TakenRun, lost: bool) -> Result<(), FolderError> {
        let id = taken.run.spec.id();
        let begun = self.begun(&taken.worker, &taken.name);
        if self.path.join("done").join(format!("{id}.json")).exists() {
            return remove(&begun);
        }
        // A lost run is renamed to a name that no worker reads until its count is updated.
        let todo = self.path.join("todo").join(&taken.name);
        let aside = todo.with_extension("back");
        match rename(&begun, if lost { &aside } else { &todo }) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result.map_err(fail("give back", &begun))?,
        }
        if lost {
            let run = Assignment { lost: taken.run.lost + 1, ..taken.run.clone() };
            write(&todo, &run)?;
            remove(&aside)?;
        }
        Ok(())
    }

    /// Delivers the record of a finished run.
    ///
    /// # Errors
    ///
    /// If the record cannot be written. The run then still belongs to the worker.
    pub(crate) fn deliver(&self, taken: &TakenRun, record: &RunRecord) -> Result<(), FolderError> {
        write(&self.path.join("done").join(format!("{}.json", record.id)), record)?;
        remove(&self.begun(&taken.worker, &taken.name))
    }

    /// Reports that a run failed.
    ///
    /// # Errors
    ///
    /// If the report cannot be written.
    pub(crate) fn report_failure(
        &self,
        taken: &TakenRun,
        host: &str,
        reason: &str,
    ) -> Result<(), FolderError> {
        let (id, worker) = (taken.run.spec.id(), taken.worker.clone());
        let path = self.path.join("failed").join(format!("{id}.json"));
        let (host, reason) = (host.to_owned(), reason.to_owned());
        write(&path, &RunFailure { id, worker, host, reason, again: false })?;
        remove(&self.begun(&taken.worker, &taken.name))
    }

    /// Removes the registration of a worker.
    ///
    /// # Errors
    ///
    /// If it cannot be removed, for example because the worker still has a run.
    pub(crate) fn unregister(&self, worker: &str) -> Result<(), FolderError> {
        self.roster().unregister(worker)
    }

    /// The delivered records, in the order in which their runs ended.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or written.
    pub(crate) fn finished(&self) -> Result<Vec<RunRecord>, FolderError> {
        let folder = self.path.join("done");
        let mut found: Vec<(f64, RunRecord)> = Vec::new();
        for name in names(&folder)? {
            let path = folder.join(&name);
            let read = self.sound(&path, there(sound_record(&path)))?.flatten();
            let Some(record) = read else { continue };
            if name != format!("{}.json", record.id) {
                // Under its own name, it is removed once it is in the journal.
                let own = folder.join(format!("{}.json", record.id));
                if own.exists() {
                    self.set_aside(&path, "it is the record of a run that has another file")?;
                    continue;
                }
                rename(&path, &own).map_err(fail("rename", &path))?;
            }
            let ended = record.timing.started_unix_s + record.timing.duration.0;
            found.push((ended, record));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(found.into_iter().map(|(_, record)| record).collect())
    }

    /// Removes all files of a run whose record is in the journal, so that no worker does it again.
    ///
    /// # Errors
    ///
    /// If a file cannot be removed.
    pub(crate) fn acknowledge(&self, id: &RunId) -> Result<(), FolderError> {
        let end = format!("-{id}.json");
        let taken = self.workers()?.into_iter().map(|worker| self.path.join("taken").join(worker));
        for folder in taken.chain([self.path.join("todo")]) {
            for name in names(&folder)?.iter().filter(|name| name.ends_with(&end)) {
                remove(&folder.join(name))?;
            }
        }
        remove(&self.path.join("done").join(format!("{id}.json")))
    }

    /// Reads and removes the reports of failed runs.
    ///
    /// # Errors
    ///
    /// If a report cannot be read or removed.
    pub(crate) fn take_failures(&self) -> Result<Vec<RunFailure>, FolderError> {
        let folder = self.path.join("failed");
        let mut found = Vec::new();
        for name in names(&folder)? {
            let path = folder.join(&name);
            if let Some(failure) = self.sound(&path, read_if_there(&path))?.flatten() {
                found.push(failure);
                remove(&path)?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
