//! A file of sealed lines with one writer.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::{
    append::{Refusal, Tail},
    fault::{Fault, JournalError},
    scan::{Survey, scan},
    seal::seal,
};

/// A torn last line that was cut off: the process died while it wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Bytes that were removed.
    pub bytes: u64,
}

impl Torn {
    pub(super) fn of(survey: &Survey) -> Option<Self> {
        (survey.torn > 0).then_some(Self { bytes: survey.torn })
    }
}

/// A file of sealed lines, open for writing; holds a lock until dropped or until the process dies.
///
/// The journal of runs is one ([`Journal`](crate::Journal)); other logs that must not lose a line
/// use it with values of their own.
#[derive(Debug)]
pub struct Lines {
    tail: Tail<File>,
    path: PathBuf,
}

impl Lines {
    /// Opens or creates a file, takes its lock, reads its values and cuts off a torn last line.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, is locked by another process, or has a whole line that is
    /// damaged.
    pub fn open<T: DeserializeOwned + Send>(
        path: &Path,
    ) -> Result<(Self, Vec<T>, Option<Torn>), JournalError> {
        let mut values = Vec::new();
        let (lines, torn) = Self::open_with(path, value, |_, it| {
            values.push(it);
            Ok(())
        })?;
        Ok((lines, values, torn))
    }

    /// Reads the values of a file without a lock; an unfinished last line is passed over.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or has a whole line that is damaged.
    pub fn read<T: DeserializeOwned + Send>(path: &Path) -> Result<Vec<T>, JournalError> {
        let mut values = Vec::new();
        let file = File::open(path).map_err(failed("read", path))?;
        let survey = scan(file, value, |_, it| {
            values.push(it);
            Ok(())
        });
        undamaged(path, survey.map_err(failed("read", path))?)?;
        Ok(values)
    }

    pub(super) fn open_with<T: Send>(
        path: &Path,
        parse: impl Fn(&[u8], bool) -> Result<T, Fault> + Sync,
        sink: impl FnMut(u64, T) -> Result<(), Fault>,
    ) -> Result<(Self, Option<Torn>), JournalError> {
        let mut file = locked(path)?;
        file.seek(SeekFrom::Start(0)).map_err(failed("read", path))?;
        let survey = scan(&file, parse, sink).map_err(failed("read", path))?;
        let survey = undamaged(path, survey)?;
        let torn = Torn::of(&survey);
        if torn.is_some() {
            file.set_len(survey.whole).map_err(failed("repair", path))?;
            file.sync_all().map_err(failed("repair", path))?;
        }
        let tail = Tail::new(file, survey.whole);
        Ok((Self { tail, path: path.to_owned() }, torn))
    }

    /// Appends a value, which must be a JSON object with members. When this returns, it is on disk.
    ///
    /// # Errors
    ///
    /// If it could not be written whole; the file is then as it was before, or, if not even that
    /// can be done, takes no more.
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        let line = sealed_line(value).map_err(failed("append to", &self.path))?;
        self.tail.append(&line).map_err(|refusal| match refusal {
            Refusal::Failed(source) => failed("append to", &self.path)(source),
            Refusal::Poisoned => JournalError::Poisoned { path: self.path.clone() },
        })
    }
}

/// The line of a value, its end included.
pub(super) fn sealed_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    if !line.ends_with(b"}") || line.len() == 2 {
        return Err(io::Error::other("a line is a JSON object with members"));
    }
    seal(&mut line);
    line.push(b'\n');
    Ok(line)
}

fn value<T: DeserializeOwned>(json: &[u8], _: bool) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|it| Fault::json(&it))
}

/// A survey without damage, or why not.
pub(super) fn undamaged(path: &Path, survey: Survey) -> Result<Survey, JournalError> {
    let newer = survey.damage.iter().find_map(|it| match &it.fault {
        Fault::Newer(found) => Some((it.line, found.clone())),
        _ => None,
    });
    match newer {
        Some((line, found)) => Err(JournalError::Schema { path: path.to_owned(), line, found }),
        None if survey.damage.is_empty() => Ok(survey),
        None => Err(JournalError::Damaged { path: path.to_owned(), damage: survey.damage }),
    }
}

/// An error of the file system, with what was tried.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { action, path, source }
}

/// Opens or creates a file, locked for this process.
pub(super) fn locked(path: &Path) -> Result<File, JournalError> {
    loop {
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).read(true).open(path);
        let file = file.map_err(failed("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock", path)(source)),
        }
        // A repair may have put another file in its place since it was opened.
        if is_at(&file, path).map_err(failed("open", path))? {
            if is_new {
                sync_folder_of(path).map_err(failed("create", path))?;
            }
            return Ok(file);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let opened = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((opened.dev(), opened.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    fs::exists(path)
}

/// Makes a file's name durable: that it was created, or what it was renamed to.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Creates a folder and those above it that are missing, durably.
///
/// # Errors
///
/// If one cannot be created.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> =
        path.ancestors().take_while(|it| !it.as_os_str().is_empty() && !it.exists()).collect();
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(sync_folder_of)
}
