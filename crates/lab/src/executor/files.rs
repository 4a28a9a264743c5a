//! Reads and writes the files of a work folder. A file whose name ends with `.json` is complete.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use units::{limits, open_regular, read_at_most};

use crate::surroundings::host;

/// How often a file that was listed is looked for, and the pause between two looks.
const LOOKS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(10);

/// Why a work folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The operating system reported an error.
    #[error("failed to {action} `{}`; check that its folder exists and is writable and that the disk is not full", path.display())]
    Io {
        /// What failed: `read`, `write`, ….
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{}` is damaged: {reason}; remove the file, and its run is done again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Writes a file under another name, syncs and renames it, so that readers never see part of it.
pub(crate) fn write(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    let json = serde_json::to_vec(value).map_err(io::Error::other);
    // Workers on two machines may write the same file.
    let host = host().unwrap_or_default();
    let part = path.with_extension(format!("part-{host}-{}", std::process::id()));
    let written = json.and_then(|json| {
        let mut file = File::create(&part)?;
        file.write_all(&json)?;
        file.sync_all()?;
        rename(&part, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    });
    if written.is_err() {
        // If this fails, too, the file remains, but nobody reads it.
        drop(fs::remove_file(&part));
    }
    written.map_err(fail("write", path))
}

/// Renames a file. A network file system can rename it, lose the answer, ask again and then report an error: what
/// counts is whether the file is under its new name.
pub(in crate::executor) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    let before = identity(from);
    let renamed = fs::rename(from, to);
    let is_done = || before.is_some() && identity(to) == before && identity(from) != before;
    if renamed.is_err() && is_done() { Ok(()) } else { renamed }
}

/// What no other file of the machine has; `None` if there is no file.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

/// Whether an error means that a file was moved or removed. A network file system may say so late, by a stale handle.
fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::StaleNetworkFileHandle)
}

pub(in crate::executor) fn fail<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io { action, path: path.to_owned(), source }
}

/// Names of the complete files in a folder, sorted; none if the folder does not exist.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, FolderError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(fail("list", folder))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(fail("list", folder))?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".json") {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Reads a file of JSON. Anybody who can write to the folder can put there what they like: only a regular file is
/// opened, because a pipe would block, and only as much is read as a record can be long.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, FolderError> {
    let damaged = |reason: String| FolderError::Damaged { path: path.to_owned(), reason };
    let found = fs::metadata(path).map_err(fail("read", path))?;
    if !found.is_file() {
        return Err(damaged("it is not a regular file".to_owned()));
    }
    let most = limits::JOURNAL_LINE_BYTES;
    most.check(found.len()).map_err(|error| damaged(error.to_string()))?;
    let text = open_regular(path).and_then(|file| read_at_most(file, most.max()));
    let text = text.map_err(fail("read", path))?;
    serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))
}

/// Reads a file that was listed; `None` if another process has moved or removed it since. Where a network file system
/// sees a rename late, a file is there at the second look.
pub(in crate::executor) fn read_if_there<T: DeserializeOwned>(
    path: &Path,
) -> Result<Option<T>, FolderError> {
    for _ in 1..LOOKS {
        match there(read(path)) {
            Ok(None) => thread::sleep(PAUSE),
            found => return found,
        }
    }
    there(read(path))
}

/// What was read; `None` if another process has moved or removed the file since it was listed.
pub(in crate::executor) fn there<T>(
    found: Result<T, FolderError>,
) -> Result<Option<T>, FolderError> {
    match found {
        Err(FolderError::Io { source, .. }) if is_gone(&source) => Ok(None),
        found => found.map(Some),
    }
}

pub(crate) fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if is_gone(&error) => Ok(()),
        result => result.map_err(fail("remove", path)),
    }
}
