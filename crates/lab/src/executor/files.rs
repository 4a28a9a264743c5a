//! Reads and writes the files of a work folder. A file whose name ends with `.json` is complete.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use units::{limits, open_regular, read_at_most};

use crate::surroundings::host;

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
        fs::rename(&part, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    });
    if written.is_err() {
        // If this fails, too, the file remains, but nobody reads it.
        drop(fs::remove_file(&part));
    }
    written.map_err(fail("write", path))
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

pub(in crate::executor) fn read_if_there<T: DeserializeOwned>(
    path: &Path,
) -> Result<Option<T>, FolderError> {
    match read(path) {
        Err(FolderError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

pub(crate) fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.map_err(fail("remove", path)),
    }
}
