//! The work folder: how runs and records travel between the one writer of the journal and its
//! workers, on one machine or over a shared file system.
//!
//! ```text
//! work/settings.json              what every worker must know
//!      todo/<order>-<id>.json     an assignment that nobody has begun
//!      taken/<worker>/<name>      begun by that worker: moved there by rename, so that one gets it
//!      done/<id>.json             a whole record: written under another name, synced, renamed
//!      failed/<id>.json           why a run cannot be done
//!      jobs/<job>.json            jobs that were submitted
//!      logs/                      what workers said
//!      bin-<sha256>               the program that works
//!      closed                     nothing more will come
//! ```
//!
//! Every step is one rename. A worker puts the record into `done` before its assignment leaves
//! `taken`, and the writer removes a record only after it is in the journal; so at any moment a run
//! that cost joules is in the journal, in `done`, or being done.

mod files;

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use record::{RunId, RunRecord};
use serde::{Deserialize, Serialize};

pub use self::files::FolderError;
use self::files::{fail, read_if_there};
pub(super) use self::files::{names, read, remove, write};

use super::Assignment;
use crate::config::IsolationConfig;

/// What every worker must know.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Folder with the data sets' files.
    pub data_dir: Option<PathBuf>,
    /// In place of `/sys`.
    pub sysfs: Option<PathBuf>,
    /// Where networks run.
    #[serde(default = "cpu")]
    pub device: String,
    /// Probes to load.
    pub plugins: Vec<PathBuf>,
    /// Whether only sensors count.
    #[serde(default)]
    pub measured: bool,
    /// How measurements are kept apart.
    pub isolation: IsolationConfig,
    /// Whether other runs may be measured on a worker's machine at the same time.
    pub together: bool,
    /// Runs that a worker does at most.
    pub runs: Option<u32>,
    /// A worker that finds nothing to do waits so long for more, in seconds.
    pub linger_s: f64,
}

fn cpu() -> String {
    "cpu".to_owned()
}

/// Why a run cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Which.
    pub id: RunId,
    /// Who says so.
    pub worker: String,
    /// Its machine.
    pub host: String,
    /// In words.
    pub reason: String,
}

/// An assignment that a worker has begun.
#[derive(Clone, Debug, PartialEq)]
pub struct Taken {
    /// The worker.
    pub worker: String,
    /// Its file's name, which has its place in the order.
    pub name: String,
    /// The assignment.
    pub run: Assignment,
}

/// A work folder.
#[derive(Clone, Debug)]
pub struct WorkFolder {
    path: PathBuf,
}

const FOLDERS: [&str; 6] = ["todo", "taken", "done", "failed", "jobs", "logs"];

impl WorkFolder {
    /// Opens a folder, or creates it.
    ///
    /// # Errors
    ///
    /// If it cannot be created.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        for folder in FOLDERS {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(fail("create", &folder))?;
        }
        let path = path.canonicalize().map_err(fail("find", path))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a worker says goes here.
    #[must_use]
    pub fn log(&self, worker: &str) -> PathBuf {
        self.path.join("logs").join(format!("{worker}.log"))
    }

    /// Tells workers what they must know.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn set(&self, settings: &Settings) -> Result<(), FolderError> {
        write(&self.path.join("settings.json"), settings)
    }

    /// What the writer told.
    ///
    /// # Errors
    ///
    /// If it did not, or the file is damaged.
    pub fn settings(&self) -> Result<Settings, FolderError> {
        read(&self.path.join("settings.json"))
    }

    /// Says whether more runs may come.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn close(&self, closed: bool) -> Result<(), FolderError> {
        let path = self.path.join("closed");
        if closed {
            return fs::write(&path, b"").map_err(fail("write", &path));
        }
        remove(&path)
    }

    /// Whether nothing more will come.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.path.join("closed").exists()
    }

    /// Hands out a run as number `order`; those with lower numbers are begun first.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn put(&self, order: u64, run: &Assignment) -> Result<(), FolderError> {
        let name = format!("{order:010}-{}.json", run.spec.id());
        write(&self.path.join("todo").join(name), run)
    }

    /// Assignments that nobody has begun, in order.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn todo(&self) -> Result<Vec<(String, Assignment)>, FolderError> {
        let mut found = Vec::new();
        for name in names(&self.path.join("todo"))? {
            // Begun in between.
            if let Some(run) = read_if_there(&self.path.join("todo").join(&name))? {
                found.push((name, run));
            }
        }
        Ok(found)
    }

    /// How many nobody has begun.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn waiting(&self) -> Result<usize, FolderError> {
        Ok(names(&self.path.join("todo"))?.len())
    }

    /// The number behind the last one that was used.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn next_order(&self) -> Result<u64, FolderError> {
        let mut all = names(&self.path.join("todo"))?;
        all.extend(self.taken()?.into_iter().map(|it| it.name));
        let orders = all.iter().filter_map(|it| it.split('-').next()?.parse::<u64>().ok());
        Ok(orders.max().map_or(0, |it| it + 1))
    }

    /// How many runs of a folder nobody has begun, and how many are being done; for those who only
    /// look.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn glance(path: &Path) -> Result<(usize, usize), FolderError> {
        let folder = Self { path: path.to_owned() };
        let taken = if path.join("taken").is_dir() { folder.taken()?.len() } else { 0 };
        Ok((folder.waiting()?, taken))
    }

    /// Takes back what nobody has begun, but for what is to be kept.
    ///
    /// # Errors
    ///
    /// If a file does not go.
    pub fn clear(&self, keep: impl Fn(&Assignment) -> bool) -> Result<(), FolderError> {
        for (name, run) in self.todo()? {
            if !keep(&run) {
                remove(&self.path.join("todo").join(name))?;
            }
        }
        Ok(())
    }

    /// Registers a worker; the file is locked as long as its process lives.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn join(&self, worker: &str) -> Result<File, FolderError> {
        let folder = self.path.join("taken").join(worker);
        fs::create_dir_all(&folder).map_err(fail("create", &folder))?;
        let path = folder.join("alive");
        let file = File::create(&path).map_err(fail("create", &path))?;
        // On some shared file systems there are no locks; there, the scheduler knows who lives.
        drop(file.try_lock());
        Ok(file)
    }

    /// Whether a worker of this machine lives.
    #[must_use]
    pub fn lives(&self, worker: &str) -> bool {
        let path = self.path.join("taken").join(worker).join("alive");
        File::open(path).is_ok_and(|it| matches!(it.try_lock(), Err(fs::TryLockError::WouldBlock)))
    }

    /// The first assignment that nobody has begun is this worker's now.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used.
    pub fn take(&self, worker: &str) -> Result<Option<Taken>, FolderError> {
        for name in names(&self.path.join("todo"))? {
            let (from, to) = (self.path.join("todo").join(&name), self.begun(worker, &name));
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // Another was faster; or a file system over a network did it and lost its answer.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    if !to.exists() {
                        continue;
                    }
                }
                Err(source) => return Err(fail("take", &from)(source)),
            }
            return Ok(Some(Taken { worker: worker.to_owned(), run: read(&to)?, name }));
        }
        Ok(None)
    }

    fn begun(&self, worker: &str, name: &str) -> PathBuf {
        self.path.join("taken").join(worker).join(name)
    }

    /// All that is being done, or was when its worker died.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn taken(&self) -> Result<Vec<Taken>, FolderError> {
        let mut found = Vec::new();
        for worker in self.workers()? {
            let folder = self.path.join("taken").join(&worker);
            for name in names(&folder)? {
                if let Some(run) = read_if_there(&folder.join(&name))? {
                    found.push(Taken { worker: worker.clone(), name, run });
                }
            }
        }
        Ok(found)
    }

    /// Workers that joined and did not leave.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn workers(&self) -> Result<Vec<String>, FolderError> {
        let path = self.path.join("taken");
        let mut workers = Vec::new();
        for entry in fs::read_dir(&path).map_err(fail("list", &path))? {
            workers.push(entry.map_err(fail("list", &path))?.file_name().to_string_lossy().into());
        }
        workers.sort();
        Ok(workers)
    }

    /// Gives an assignment back unfinished; `lost` if its worker died over it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn give_back(&self, taken: &Taken, lost: bool) -> Result<(), FolderError> {
        let id = taken.run.spec.id();
        let begun = self.begun(&taken.worker, &taken.name);
        if self.path.join("done").join(format!("{id}.json")).exists() {
            return remove(&begun);
        }
        // Under a name that nobody reads until it says how often it was lost.
        let todo = self.path.join("todo").join(&taken.name);
        let aside = todo.with_extension("back");
        match fs::rename(&begun, if lost { &aside } else { &todo }) {
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

    /// Hands over a finished run.
    ///
    /// # Errors
    ///
    /// If it cannot be written; the assignment is then still taken.
    pub fn deliver(&self, taken: &Taken, record: &RunRecord) -> Result<(), FolderError> {
        write(&self.path.join("done").join(format!("{}.json", record.id)), record)?;
        remove(&self.begun(&taken.worker, &taken.name))
    }

    /// Says that a run cannot be done.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn fail(&self, taken: &Taken, host: &str, reason: &str) -> Result<(), FolderError> {
        let (id, worker) = (taken.run.spec.id(), taken.worker.clone());
        let path = self.path.join("failed").join(format!("{id}.json"));
        let (host, reason) = (host.to_owned(), reason.to_owned());
        write(&path, &Failed { id, worker, host, reason })?;
        remove(&self.begun(&taken.worker, &taken.name))
    }

    /// A worker is gone.
    ///
    /// # Errors
    ///
    /// If its folder does not go.
    pub fn leave(&self, worker: &str) -> Result<(), FolderError> {
        let folder = self.path.join("taken").join(worker);
        remove(&folder.join("alive"))?;
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(fail("remove", &folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// The records that workers left, in order of their arrival.
    ///
    /// # Errors
    ///
    /// If one is damaged.
    pub fn done(&self) -> Result<Vec<RunRecord>, FolderError> {
        let folder = self.path.join("done");
        let mut found: Vec<(f64, RunRecord)> = Vec::new();
        for name in names(&folder)? {
            let path = folder.join(name);
            let record: RunRecord = read(&path)?;
            if record.id != record.spec.id() {
                let reason = format!("id `{}` is not that of its spec", record.id);
                return Err(FolderError::Damaged { path, reason });
            }
            let ended = record.timing.started_unix_s + record.timing.duration.0;
            found.push((ended, record));
        }
        found.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok(found.into_iter().map(|it| it.1).collect())
    }

    /// A record is in the journal: no worker shall begin its run again.
    ///
    /// # Errors
    ///
    /// If its files do not go.
    pub fn kept(&self, id: &RunId) -> Result<(), FolderError> {
        let end = format!("-{id}.json");
        let taken = self.workers()?.into_iter().map(|it| self.path.join("taken").join(it));
        for folder in taken.chain([self.path.join("todo")]) {
            for name in names(&folder)?.iter().filter(|it| it.ends_with(&end)) {
                remove(&folder.join(name))?;
            }
        }
        remove(&self.path.join("done").join(format!("{id}.json")))
    }

    /// What cannot be done; told once.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used.
    pub fn failures(&self) -> Result<Vec<Failed>, FolderError> {
        let folder = self.path.join("failed");
        let mut found = Vec::new();
        for name in names(&folder)? {
            found.push(read(&folder.join(&name))?);
            remove(&folder.join(&name))?;
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
