//! Writes a whole journal at once.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    lines::{failed, sealed_line},
    place::sync_folder_of,
};
use crate::{JournalError, RunRecord};

/// A new journal that gets its name only when it is complete.
#[derive(Debug)]
pub struct NewJournal {
    file: BufWriter<File>,
    temporary: PathBuf,
    path: PathBuf,
}

impl NewJournal {
    /// Begins a journal. [`NewJournal::finish`] replaces an existing journal of that name.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn create(path: &Path) -> Result<Self, JournalError> {
        let temporary = path.with_extension("jsonl.part");
        let file = File::create(&temporary).map_err(failed("create", path))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 20, file), temporary, path: path.to_owned() })
    }

    /// Adds a record.
    ///
    /// # Errors
    ///
    /// If the record cannot be written.
    pub fn push(&mut self, record: &RunRecord) -> Result<(), JournalError> {
        let written = sealed_line(record).and_then(|line| self.file.write_all(&line));
        written.map_err(failed("write", &self.path))
    }

    /// Gives the journal its name. When this returns `Ok`, the journal is on disk.
    ///
    /// # Errors
    ///
    /// If the journal cannot be written or renamed.
    pub fn finish(self) -> Result<(), JournalError> {
        let Self { file, temporary, path } = self;
        let done = synced(file)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| sync_folder_of(&path));
        done.map_err(failed("write", &path))
    }
}

/// Writes what is buffered and waits until it is on disk.
pub(super) fn synced(file: BufWriter<File>) -> io::Result<()> {
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
