//! Appends rows to an `emissions.csv`, which may have been written by CodeCarbon, an older version or
//! a spreadsheet. The file is checked before the command runs, and never gets a row of another shape.

mod layout;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use meter::export::emissions::EmissionsRow;

use self::layout::{Found, Layout};
use super::destination::{probe_folder, replace, without_links};
use crate::Failure;

/// An `emissions.csv` that was checked.
#[derive(Debug)]
pub(super) struct EmissionsFile {
    path: PathBuf,
}

impl EmissionsFile {
    /// Checks that rows can be appended; changes nothing.
    ///
    /// # Errors
    ///
    /// If it is not a regular file, has other content, or cannot be written.
    pub(super) fn check(path: &Path) -> Result<Self, Failure> {
        let fail = || format!("--emissions: failed to write `{}`", path.display());
        let bad = |error: io::Error| Failure::bad_input(anyhow::Error::new(error).context(fail()));
        let target = without_links(path).map_err(bad)?;
        let found = match fs::metadata(&target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                probe_folder(&target).map_err(bad)?;
                return Ok(Self { path: target });
            }
            Err(error) => return Err(bad(error)),
            Ok(metadata) if !metadata.is_file() => {
                let kind = if metadata.is_dir() { "a folder" } else { "a device or a pipe" };
                let text = format!(
                    "--emissions: `{}` is {kind}, expected a file that rows can be appended to",
                    path.display()
                );
                return Err(Failure::bad_input(anyhow!(text)));
            }
            Ok(_) => {
                let mut file =
                    OpenOptions::new().read(true).append(true).open(&target).map_err(bad)?;
                Found::of(&content(&mut file).map_err(bad)?)
            }
        };
        match found {
            Found::Empty | Found::Fits(_) => {}
            // Both need a new file in the folder.
            Found::Older(_) | Found::Damaged { .. } => probe_folder(&target).map_err(bad)?,
            Found::Foreign => {
                let text = format!(
                    "--emissions: `{}` is no emissions.csv: its first line lacks the columns \
                     `timestamp` and `energy_consumed`; name another file",
                    path.display()
                );
                return Err(Failure::bad_input(anyhow!(text)));
            }
        }
        Ok(Self { path: target })
    }

    /// Appends rows, and returns what people should know: that columns were added, or that the rows
    /// are in another file because this one is damaged.
    ///
    /// # Errors
    ///
    /// If nothing can be written. The file then has its old content.
    pub(super) fn append(&self, rows: &[EmissionsRow<'_>]) -> Result<Option<String>, Failure> {
        let fail = || format!("--emissions: failed to write `{}`", self.path.display());
        self.try_append(rows).with_context(fail).map_err(Failure::run_time)
    }

    fn try_append(&self, rows: &[EmissionsRow<'_>]) -> io::Result<Option<String>> {
        let mut file = self.locked()?;
        let old = content(&mut file)?;
        match Found::of(&old) {
            Found::Empty => push(&mut file, &old, &Layout::new().whole(rows)).map(|()| None),
            Found::Fits(layout) => push(&mut file, &old, &layout.appended(rows)).map(|()| None),
            Found::Older(layout) => {
                replace(&self.path, &layout.converted(&old, rows))?;
                Ok(Some(format!(
                    "--emissions: `{}` had the columns of another version; the missing ones were \
                     added, empty in the old rows",
                    self.path.display()
                )))
            }
            Found::Damaged { row, fields, expected } => {
                let beside = self.write_beside(rows)?;
                Ok(Some(format!(
                    "--emissions: row {row} of `{}` has {fields} fields, expected {expected}; the \
                     new rows are in `{}`, because nobody can tell what belongs to that row; repair \
                     it by hand",
                    self.path.display(),
                    beside.display()
                )))
            }
            // It changed while the command ran.
            Found::Foreign => {
                let beside = self.write_beside(rows)?;
                Ok(Some(format!(
                    "--emissions: `{}` is no emissions.csv any more; the new rows are in `{}`",
                    self.path.display(),
                    beside.display()
                )))
            }
        }
    }

    /// The file, which no other process that appends to it may touch until it is closed.
    fn locked(&self) -> io::Result<File> {
        loop {
            let file = OpenOptions::new().create(true).read(true).append(true).open(&self.path)?;
            match file.lock() {
                // Some network file systems have no locks.
                Err(error) if !units::has_no_locks(&error) => return Err(error),
                _ => {}
            }
            // Another process may have put a converted file in its place meanwhile.
            let (ours, now) = (file.metadata()?, fs::metadata(&self.path));
            if now.is_ok_and(|now| (now.dev(), now.ino()) == (ours.dev(), ours.ino())) {
                return Ok(file);
            }
        }
    }

    /// Writes a new file with a number after its name, and returns its path.
    fn write_beside(&self, rows: &[EmissionsRow<'_>]) -> io::Result<PathBuf> {
        const MOST: u32 = 10_000;
        for number in 2..MOST {
            let mut name = self.path.file_stem().unwrap_or_default().to_owned();
            name.push(format!("-{number}"));
            if let Some(extension) = self.path.extension() {
                name.push(".");
                name.push(extension);
            }
            let beside = Self { path: self.path.with_file_name(name) };
            match fs::read(&beside.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(old) if matches!(Found::of(&old), Found::Empty | Found::Fits(_)) => {}
                _ => continue,
            }
            // It is empty, new, or was written for the same reason.
            return beside.try_append(rows).map(|_| beside.path);
        }
        Err(io::Error::other("too many files beside it"))
    }
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// Appends to an open file, all or nothing.
fn push(file: &mut File, old: &[u8], text: &[u8]) -> io::Result<()> {
    let written = file.write_all(text).and_then(|()| file.sync_data());
    if written.is_err() {
        // A full disk may have taken a part of the text.
        let _ = file.set_len(old.len() as u64);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn row(timestamp: &str) -> EmissionsRow<'static> {
        EmissionsRow { timestamp: timestamp.to_owned(), ..EmissionsRow::default() }
    }

    fn lines(path: &Path) -> Vec<String> {
        fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_check_creates_nothing_and_the_first_row_brings_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emissions.csv");
        let file = EmissionsFile::check(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(file.append(&[row("a"), row("b")]).unwrap(), None);
        let lines = lines(&path);
        assert!(lines[0].starts_with("timestamp,") && lines[1].starts_with("a,"), "{lines:?}");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn what_rows_cannot_be_appended_to_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("notes.txt"), "notes\n").unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let names = ["no-folder/e.csv", "notes.txt", "pipe", "", "new/"];
        for name in names {
            let failure = EmissionsFile::check(&folder.path().join(name)).unwrap_err();
            assert!(matches!(failure, Failure::BadInput(_)), "{name}");
            assert!(failure.to_string().starts_with("--emissions: "), "{failure}");
        }
        assert_eq!(lines(&folder.path().join("notes.txt")), ["notes"]);
    }

    #[test]
    fn a_damaged_file_stays_and_rows_go_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emissions.csv");
        // Two rows that an older version glued together.
        let damaged = "timestamp,duration,energy_consumed\n1,2,34,5,6\n";
        fs::write(&path, damaged).unwrap();
        let file = EmissionsFile::check(&path).unwrap();
        let text = file.append(&[row("a")]).unwrap().unwrap();
        assert!(text.contains("row 2") && text.contains("5 fields, expected 3"), "{text}");
        file.append(&[row("b")]).unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged);
        assert_eq!(lines(&folder.path().join("emissions-2.csv")).len(), 3);
    }

    #[test]
    fn processes_that_append_and_convert_at_once_lose_no_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emissions.csv");
        fs::write(&path, "timestamp,duration,energy_consumed\n1,2,3").unwrap();
        let file = EmissionsFile::check(&path).unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| file.append(&[row("a"), row("b")]).unwrap());
            }
        });
        let content = fs::read(&path).unwrap();
        assert!(matches!(Found::of(&content), Found::Fits(_)));
        assert_eq!(lines(&path).len(), 2 + 16);
    }
}
