//! Whether a file that is open for writing is still the file of its name, as long as it was left.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// What happened to a file between two writes; `None` if nothing did.
///
/// # Errors
///
/// If the file or its folder cannot be examined.
pub(super) fn change(file: &File, path: &Path, length: u64) -> io::Result<Option<String>> {
    if !is_at(file, path)? {
        let what = if fs::exists(path)? { "was replaced by another file" } else { "was removed" };
        return Ok(Some(what.to_owned()));
    }
    let found = file.metadata()?.len();
    Ok(match found.cmp(&length) {
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Less => Some(format!("was shortened from {length} to {found} bytes")),
        std::cmp::Ordering::Greater => {
            Some(format!("was written by another program: it has {found} bytes, expected {length}"))
        }
    })
}

/// Writes what would be lost into a new file beside `path`, `NAME.rescued-N.jsonl`: the line that could not be
/// appended, and before it the lines of the open file if it is no longer the file of that name.
///
/// # Errors
///
/// If the new file cannot be written.
pub(super) fn rescue(
    mut file: &File,
    path: &Path,
    length: u64,
    line: &[u8],
) -> io::Result<PathBuf> {
    let mut number = 1;
    let (rescued, mut beside) = loop {
        let rescued = path.with_extension(format!("rescued-{number}.jsonl"));
        if let Some(folder) = rescued.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            // The folder may have been removed with the file.
            fs::create_dir_all(folder)?;
        }
        match OpenOptions::new().write(true).create_new(true).open(&rescued) {
            Ok(file) => break (rescued, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    };
    if !is_at(file, path)? {
        file.seek(SeekFrom::Start(0))?;
        io::copy(&mut file.take(length), &mut beside)?;
    }
    beside.write_all(line)?;
    beside.sync_all()?;
    sync_folder_of(&rescued)?;
    Ok(rescued)
}

/// Whether an open file is the file of a name.
#[cfg(unix)]
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((opened.dev(), opened.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
pub(super) fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

/// Waits until the name of a file that was created or renamed is on disk.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
