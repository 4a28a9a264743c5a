//! `--csv`: a time series of every reading.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use meter::{Reading, export::csv};

use crate::Failure;

/// The file, and the first error of writing it.
#[derive(Clone)]
pub(super) struct SeriesFile {
    path: PathBuf,
    failed: Arc<Mutex<Option<io::Error>>>,
}

impl SeriesFile {
    /// Opens the file, and returns a function that writes every sample into it, as lines of CSV. The
    /// first call empties the file.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened.
    pub(super) fn open(
        path: &Path,
    ) -> Result<(Self, impl FnMut(&[Reading]) + Send + 'static + use<>), Failure> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file
            .with_context(|| format!("--csv: failed to create `{}`", path.display()))
            .map_err(Failure::bad_input)?;
        let this = Self { path: path.to_owned(), failed: Arc::default() };
        let failed = Arc::clone(&this.failed);
        let mut file = BufWriter::new(file);
        let mut begun = false;
        let write = move |readings: &[Reading]| {
            // A full disk must not end the command that is being measured.
            let result = if begun { Ok(()) } else { begin(&mut file) }
                .and_then(|()| file.write_all(csv::lines(readings).as_bytes()))
                .and_then(|()| file.flush());
            begun = true;
            if let Err(error) = result {
                failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        };
        Ok((this, write))
    }

    /// Fails if a sample could not be written.
    ///
    /// # Errors
    ///
    /// Names the file and the first error.
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            None => Ok(()),
            Some(error) => Err(Failure::run_time(anyhow::Error::new(error).context(format!(
                "--csv: `{}` is incomplete: failed to write it",
                self.path.display()
            )))),
        }
    }
}

fn begin(file: &mut BufWriter<File>) -> io::Result<()> {
    // A pipe or a device has no length.
    if file.get_ref().metadata()?.is_file() {
        file.get_ref().set_len(0)?;
    }
    file.write_all(csv::HEAD.as_bytes())
}
