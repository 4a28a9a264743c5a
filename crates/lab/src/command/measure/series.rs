//! `--csv`: a time series of every reading.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::Context;
use meter::{Reading, export::csv};

use crate::Failure;

/// The file, which the sampling thread writes as well.
#[derive(Clone)]
pub(super) struct SeriesFile {
    path: PathBuf,
    series: Arc<Mutex<Series>>,
}

struct Series {
    file: BufWriter<File>,
    /// Whether the file was emptied and has its head.
    begun: bool,
    /// The first error of writing it.
    failed: Option<io::Error>,
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
        let series = Series { file: BufWriter::new(file), begun: false, failed: None };
        let this = Self { path: path.to_owned(), series: Arc::new(Mutex::new(series)) };
        let series = Arc::clone(&this.series);
        let write = move |readings: &[Reading]| lock(&series).write(&csv::lines(readings));
        Ok((this, write))
    }

    /// Ends the series: after a command that was shorter than the time between two samples, the file
    /// holds the names of the columns alone.
    ///
    /// # Errors
    ///
    /// If something could not be written; names the file and the first error.
    pub(super) fn finish(&self) -> Result<(), Failure> {
        let mut series = lock(&self.series);
        series.write("");
        match series.failed.take() {
            None => Ok(()),
            Some(error) => Err(Failure::run_time(anyhow::Error::new(error).context(format!(
                "--csv: `{}` is incomplete: failed to write it",
                self.path.display()
            )))),
        }
    }
}

impl Series {
    /// Writes lines, below the names of the columns. A full disk must not end the command that is being
    /// measured, so an error is kept for the end.
    fn write(&mut self, lines: &str) {
        let begun = std::mem::replace(&mut self.begun, true);
        let result = if begun { Ok(()) } else { begin(&mut self.file) }
            .and_then(|()| self.file.write_all(lines.as_bytes()))
            .and_then(|()| self.file.flush());
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }
}

fn lock(series: &Mutex<Series>) -> MutexGuard<'_, Series> {
    series.lock().unwrap_or_else(PoisonError::into_inner)
}

fn begin(file: &mut BufWriter<File>) -> io::Result<()> {
    // A pipe or a device has no length.
    if file.get_ref().metadata()?.is_file() {
        file.get_ref().set_len(0)?;
    }
    file.write_all(csv::HEAD.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_command_that_ends_before_the_first_sample_leaves_no_old_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("series.csv");
        fs::write(&path, "rows of an earlier command\n").unwrap();
        let (series, write) = SeriesFile::open(&path).unwrap();
        drop(write);
        assert_eq!(fs::read_to_string(&path).unwrap(), "rows of an earlier command\n");
        series.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), csv::HEAD);
    }

    #[test]
    fn a_full_disk_is_reported_at_the_end_with_or_without_samples() {
        for samples in [0, 2] {
            let (series, mut write) = SeriesFile::open(Path::new("/dev/full")).unwrap();
            (0..samples).for_each(|_| write(&[]));
            let text = series.finish().unwrap_err().to_string();
            assert!(text.starts_with("--csv: `/dev/full` is incomplete"), "{text}");
        }
    }
}
