//! The journal: one record a line, appended and synced; the only state there is.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use crate::{RECORD_SCHEMA, RunRecord};

/// Why a journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system said no.
    #[error("failed to {action} journal `{}`; check that the folder exists and can be written", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another process is writing.
    #[error("journal `{}` is in use by another process; wait for it or choose another folder", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A line in the middle is not a record.
    #[error("line {line} of journal `{}` is damaged: {reason}; restore it from a copy or remove that line", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The parser's reason.
        reason: String,
    },
    /// A line is of a version this program does not know.
    #[error("line {line} of journal `{}` has schema `{found}`, this program reads `{RECORD_SCHEMA}`; use the version of wattlab that wrote it", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What it says.
        found: String,
    },
}

/// A torn last line that was cut off: the process died while it wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Bytes that were removed.
    pub bytes: u64,
}

/// A journal open for writing; holds a lock until dropped or until the process dies.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens or creates a journal, takes its lock, reads its records and cuts off a torn last line.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, is locked by another process, or is damaged anywhere but in
    /// an unfinished last line.
    pub fn open(path: &Path) -> Result<(Self, Vec<RunRecord>, Option<Torn>), JournalError> {
        let fail =
            |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        let is_new = !path.exists();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(path)
            .map_err(fail("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(fail("lock")(source)),
        }
        if is_new {
            sync_folder_of(path).map_err(fail("create"))?;
        }
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(0)).map_err(fail("read"))?;
        file.read_to_end(&mut text).map_err(fail("read"))?;
        let whole = whole_lines(&text);
        let records = parse(path, whole)?;
        let torn =
            (whole.len() < text.len()).then(|| Torn { bytes: (text.len() - whole.len()) as u64 });
        if torn.is_some() {
            file.set_len(whole.len() as u64).map_err(fail("repair"))?;
            file.sync_all().map_err(fail("repair"))?;
        }
        Ok((Self { file, path: path.to_owned() }, records, torn))
    }

    /// Appends a record. When this returns, the record is on disk.
    ///
    /// # Errors
    ///
    /// If it could not be written whole; the journal is then as it was before.
    pub fn append(&mut self, record: &RunRecord) -> Result<(), JournalError> {
        let fail =
            |source| JournalError::Io { action: "append to", path: self.path.clone(), source };
        let mut line = serde_json::to_vec(record).map_err(|error| fail(io::Error::other(error)))?;
        line.push(b'\n');
        let before = self.file.metadata().map_err(fail)?.len();
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if written.is_err() {
            // Best effort: if even this fails, the next open cuts the torn line off.
            let _ = self.file.set_len(before);
        }
        written.map_err(fail)
    }
}

/// Reads a journal without a lock; an unfinished last line is passed over.
///
/// # Errors
///
/// If the file cannot be read or is damaged anywhere but in an unfinished last line.
pub fn read_journal(path: &Path) -> Result<Vec<RunRecord>, JournalError> {
    let text = fs::read(path).map_err(|source| JournalError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    parse(path, whole_lines(&text))
}

/// The text up to and including the last line end.
fn whole_lines(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    &text[..end]
}

fn parse(path: &Path, text: &[u8]) -> Result<Vec<RunRecord>, JournalError> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(index, line)| {
            let damaged = |reason: String| JournalError::Damaged {
                path: path.to_owned(),
                line: index + 1,
                reason,
            };
            let value: serde_json::Value =
                serde_json::from_slice(line).map_err(|error| damaged(error.to_string()))?;
            match value.get("schema").and_then(|it| it.as_str()) {
                Some(RECORD_SCHEMA) => {}
                Some(found) => {
                    return Err(JournalError::Schema {
                        path: path.to_owned(),
                        line: index + 1,
                        found: found.to_owned(),
                    });
                }
                None => return Err(damaged("it has no `schema`".to_owned())),
            }
            let record: RunRecord =
                serde_json::from_value(value).map_err(|error| damaged(error.to_string()))?;
            if record.spec.id() != record.id {
                return Err(damaged(format!("id `{}` is not that of its spec", record.id)));
            }
            Ok(record)
        })
        .collect()
}

/// Makes the creation of a file durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
