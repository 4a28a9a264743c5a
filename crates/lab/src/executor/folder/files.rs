//! Whole files and nothing else: what is named `.json` is complete.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::surroundings::host;

/// Why a work folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The file system said no.
    #[error("failed to {action} `{}`; check that the folder can be written and is not full", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file is not what it must be.
    #[error("`{}` is damaged: {reason}; remove it, and its run is done again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The parser's reason.
        reason: String,
    },
}

/// Writes a whole file: another name, sync, rename, sync of the folder.
pub(in crate::executor) fn write(path: &Path, value: &impl Serialize) -> Result<(), FolderError> {
    let json = serde_json::to_vec(value).map_err(io::Error::other);
    // Two workers may write one name, on two machines.
    let host = host().unwrap_or_default();
    let part = path.with_extension(format!("part-{host}-{}", std::process::id()));
    let written = json.and_then(|json| {
        let mut file = File::create(&part)?;
        file.write_all(&json)?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        path.parent().map_or(Ok(()), |it| File::open(it)?.sync_all())
    });
    if written.is_err() {
        // Best effort: what is not named `.json` is never read.
        drop(fs::remove_file(&part));
    }
    written.map_err(fail("write", path))
}

pub(super) fn fail<'a>(
    action: &'static str,
    path: &'a Path,
) -> impl Fn(io::Error) -> FolderError + 'a {
    move |source| FolderError::Io { action, path: path.to_owned(), source }
}

/// Names of whole files, in order.
pub(in crate::executor) fn names(folder: &Path) -> Result<Vec<String>, FolderError> {
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

pub(in crate::executor) fn read<T: DeserializeOwned>(path: &Path) -> Result<T, FolderError> {
    let text = fs::read(path).map_err(fail("read", path))?;
    serde_json::from_slice(&text)
        .map_err(|error| FolderError::Damaged { path: path.to_owned(), reason: error.to_string() })
}

pub(super) fn read_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FolderError> {
    match read(path) {
        Err(FolderError::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

pub(in crate::executor) fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.map_err(fail("remove", path)),
    }
}
