//! Who works in a folder, and who of them is alive: a folder per worker with a file that the worker's
//! process keeps locked.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use super::files::{FolderError, fail, names, remove};

/// The workers of a folder.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    path: PathBuf,
}

impl Roster {
    /// The workers with folders in this one.
    #[must_use]
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder of a worker.
    #[must_use]
    pub(crate) fn folder(&self, worker: &str) -> PathBuf {
        self.path.join(worker)
    }

    fn alive(&self, worker: &str) -> PathBuf {
        self.folder(worker).join("alive")
    }

    /// Registers a worker. The returned file is locked until it is dropped or the worker's process ends; also returns
    /// whether it is locked, because some shared file systems have no locks.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub(crate) fn register(&self, worker: &str) -> Result<(File, bool), FolderError> {
        let folder = self.folder(worker);
        fs::create_dir_all(&folder).map_err(fail("create", &folder))?;
        let path = self.alive(worker);
        // Opening a pipe would wait for a reader.
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            remove(&path)?;
        }
        let file = File::create(&path).map_err(fail("create", &path))?;
        let locked = file.try_lock().is_ok();
        Ok((file, locked))
    }

    /// Whether the process of a worker is alive, as far as its lock can be seen from this machine.
    #[must_use]
    pub(crate) fn is_alive(&self, worker: &str) -> bool {
        units::open_regular(&self.alive(worker))
            .is_ok_and(|file| matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)))
    }

    /// Names of the registered workers; none if the folder does not exist.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub(crate) fn workers(&self) -> Result<Vec<String>, FolderError> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(fail("list", &self.path))?,
        };
        let mut workers = Vec::new();
        for entry in entries {
            let entry = entry.map_err(fail("list", &self.path))?;
            workers.push(entry.file_name().to_string_lossy().into());
        }
        workers.sort();
        Ok(workers)
    }

    /// Removes the registration of a worker.
    ///
    /// # Errors
    ///
    /// If it cannot be removed, for example because the worker still has a run.
    pub(crate) fn unregister(&self, worker: &str) -> Result<(), FolderError> {
        let folder = self.folder(worker);
        remove(&self.alive(worker))?;
        match fs::remove_dir(&folder) {
            // A file that NFS keeps under a name of its own while it is open (`.nfs…`) is no run.
            Err(error)
                if error.kind() == ErrorKind::DirectoryNotEmpty && names(&folder)?.is_empty() =>
            {
                Ok(())
            }
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(fail("remove", &folder)(error))
            }
            _ => Ok(()),
        }
    }

    /// The folder with the folders of all workers.
    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}
