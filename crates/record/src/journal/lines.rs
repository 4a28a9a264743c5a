//! A file of sealed lines (JSON objects with a checksum) that one process at a time can write.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};
use units::limits;

use super::{
    append::{Refusal, Tail},
    fault::{Fault, JournalError},
    place::{self, is_at, sync_folder_of},
    scan::{MAX_LINE, Survey, scan_short},
    seal::seal,
};

/// An unfinished last line: a process died, or is still busy, while writing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Length of the unfinished line.
    pub bytes: u64,
}

impl Torn {
    pub(super) fn of(survey: &Survey) -> Option<Self> {
        (survey.torn > 0).then_some(Self { bytes: survey.torn })
    }
}

/// The longest line of a log other than a journal of runs, in bytes: four times that of a request.
const SHORT_LINE: usize = 4 * limits::LINE_BYTES.max() as usize;

/// Refuses what is there and is not a regular file, such as a device, which may never end.
fn regular(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is not a regular file")),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// A file of sealed lines, open for writing. It holds a lock until it is dropped or the process dies.
///
/// [`Journal`](crate::Journal) is such a file with one [`RunRecord`](crate::RunRecord) per line; other
/// logs that must not lose a line store values of their own.
#[derive(Debug)]
pub struct Lines {
    tail: Tail<File>,
    path: PathBuf,
}

impl Lines {
    /// Opens or creates a file, locks it, reads its values and removes an unfinished last line.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or created, is locked by another process, or is damaged.
    pub fn open<T: DeserializeOwned + Send>(
        path: &Path,
    ) -> Result<(Self, Vec<T>, Option<Torn>), JournalError> {
        let mut values = Vec::new();
        let (lines, torn) = Self::open_up_to(path, SHORT_LINE, value, |_, value| {
            values.push(value);
            Ok(())
        })?;
        Ok((lines, values, torn))
    }

    /// Reads the values of a file without locking it. An unfinished last line is ignored.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is damaged.
    pub fn read<T: DeserializeOwned + Send>(path: &Path) -> Result<Vec<T>, JournalError> {
        let mut values = Vec::new();
        regular(path).map_err(failed("read", path))?;
        let file = File::open(path).map_err(failed("read", path))?;
        let survey = scan_short(file, SHORT_LINE, value, |_, value| {
            values.push(value);
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
        Self::open_up_to(path, MAX_LINE, parse, sink)
    }

    fn open_up_to<T: Send>(
        path: &Path,
        max_line: usize,
        parse: impl Fn(&[u8], bool) -> Result<T, Fault> + Sync,
        sink: impl FnMut(u64, T) -> Result<(), Fault>,
    ) -> Result<(Self, Option<Torn>), JournalError> {
        let mut file = locked(path)?;
        file.seek(SeekFrom::Start(0)).map_err(failed("read", path))?;
        let survey = scan_short(&file, max_line, parse, sink).map_err(failed("read", path))?;
        let survey = undamaged(path, survey)?;
        let torn = Torn::of(&survey);
        if torn.is_some() {
            file.set_len(survey.whole).map_err(failed("repair", path))?;
            file.sync_all().map_err(failed("repair", path))?;
        }
        let tail = Tail::new(file, survey.whole);
        Ok((Self { tail, path: path.to_owned() }, torn))
    }

    /// Appends a value, which must be a JSON object with at least one member. When this returns `Ok`,
    /// the line is on disk.
    ///
    /// # Errors
    ///
    /// If the write fails. It is then rolled back; if that fails, too, this and every later call returns
    /// [`JournalError::Poisoned`]. If the file was removed, replaced, shortened or written by another program
    /// since the last line, nothing is appended to it: what would be lost is saved beside it, and later calls
    /// return [`JournalError::Poisoned`].
    pub fn append(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        let line = sealed_line(value).map_err(failed("append to", &self.path))?;
        self.check_place(&line)?;
        self.tail.append(&line).map_err(|refusal| match refusal {
            Refusal::Failed(source) => failed("append to", &self.path)(source),
            Refusal::Poisoned => JournalError::Poisoned { path: self.path.clone() },
        })
    }
}

impl Drop for Lines {
    /// Closing the file is not enough: a fork of this process holds it open, and with it the lock.
    fn drop(&mut self) {
        // An error changes nothing: the file is closed in any case.
        let _ = self.tail.medium().unlock();
    }
}

impl Lines {
    /// Fails if the file is not as the last line left it, after saving what would be lost.
    fn check_place(&mut self, line: &[u8]) -> Result<(), JournalError> {
        if self.tail.is_poisoned() {
            return Err(JournalError::Poisoned { path: self.path.clone() });
        }
        let (file, length) = (self.tail.medium(), self.tail.length());
        let change =
            place::change(file, &self.path, length).map_err(failed("examine", &self.path))?;
        let Some(how) = change else { return Ok(()) };
        let rescued = place::rescue(file, &self.path, length, line);
        self.tail.poison();
        let rescued = rescued.map_err(failed("rescue", &self.path))?;
        Err(JournalError::Changed { path: self.path.clone(), how, rescued })
    }
}

/// The sealed line of a value, with its line feed.
pub(super) fn sealed_line(value: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    if !line.ends_with(b"}") || line.len() == 2 {
        return Err(io::Error::other(
            "the value of a line must be a JSON object with at least one member",
        ));
    }
    seal(&mut line);
    line.push(b'\n');
    limits::JOURNAL_LINE_BYTES.check(line.len()).map_err(io::Error::other)?;
    Ok(line)
}

fn value<T: DeserializeOwned>(json: &[u8], _: bool) -> Result<T, Fault> {
    serde_json::from_slice(json).map_err(|error| Fault::json(&error))
}

/// The survey, if it found neither damage nor a line of a newer version.
pub(super) fn undamaged(path: &Path, survey: Survey) -> Result<Survey, JournalError> {
    let newer = survey.damage.iter().find_map(|damaged| match &damaged.fault {
        Fault::Newer(found) => Some((damaged.line, found.clone())),
        _ => None,
    });
    match newer {
        Some((line, found)) => Err(JournalError::Schema { path: path.to_owned(), line, found }),
        None if survey.damage.is_empty() => Ok(survey),
        None => Err(JournalError::Damaged { path: path.to_owned(), damage: survey.damage }),
    }
}

/// Wraps an error of the operating system: what failed, and on which file.
pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_owned();
    move |source| JournalError::Io { action, path, source }
}

/// Opens or creates a file and locks it for this process.
pub(super) fn locked(path: &Path) -> Result<File, JournalError> {
    loop {
        regular(path).map_err(failed("open", path))?;
        let is_new = !path.exists();
        let file = OpenOptions::new().create(true).append(true).read(true).open(path);
        let file = file.map_err(failed("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: path.to_owned() });
            }
            Err(TryLockError::Error(source)) => {
                let path = path.to_owned();
                return Err(JournalError::NoLocks { path, source });
            }
        }
        // A repair may have replaced the file since it was opened.
        if is_at(&file, path).map_err(failed("open", path))? {
            if is_new {
                sync_folder_of(path).map_err(failed("create", path))?;
            }
            return Ok(file);
        }
    }
}

/// Creates a folder and its missing parents, and waits until they are on disk.
///
/// # Errors
///
/// If a folder cannot be created.
pub fn create_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path
        .ancestors()
        .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
        .collect();
    fs::create_dir_all(path)?;
    missing.into_iter().try_for_each(sync_folder_of)
}
