//! A file that is whole or not there.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// A file that is written under a temporary name and renamed when it is complete.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
    finished: bool,
}

impl WholeFile {
    /// Creates the temporary file, beside the file that it will replace.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary)?;
        Ok(Self { file, temporary, path: path.to_owned(), finished: false })
    }

    /// Syncs the file and renames it into place, where it replaces a file of that name.
    ///
    /// # Errors
    ///
    /// If the file cannot be synced or renamed.
    pub fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        self.finished = true;
        Ok(())
    }
}

impl Drop for WholeFile {
    /// Removes the temporary file of content that was not finished, as on a full disk.
    fn drop(&mut self) {
        if !self.finished {
            // If this fails, too, a file remains that nobody reads.
            drop(fs::remove_file(&self.temporary));
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
