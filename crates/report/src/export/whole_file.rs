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
        Ok(Self { file: File::create(&temporary)?, temporary, path: path.to_owned() })
    }

    /// Syncs the file and renames it into place, where it replaces a file of that name.
    ///
    /// # Errors
    ///
    /// If the file cannot be synced or renamed.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)
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
