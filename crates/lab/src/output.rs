//! Files that are whole or not there, and the one JSON document on standard output.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use record::Results;
use report::{Document, Published, Target};
use serde::Serialize;

use crate::Failure;

/// Writes a file under a temporary name beside it, then renames it into place.
///
/// # Errors
///
/// If the folder cannot be written.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = PathBuf::from(temporary);
    fs::write(&temporary, content)?;
    fs::File::open(&temporary)?.sync_all()?;
    fs::rename(&temporary, path)
}

/// Prints the one JSON document of `--json`.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(Failure::run_time)?);
    Ok(())
}

/// Why standard output could not be written, of the first line that was lost.
static LOST: Mutex<Option<io::Error>> = Mutex::new(None);

/// Prints a line of the program's output. If that fails, the work goes on, and [`lost`] says so.
pub(crate) fn print(text: &str) {
    let mut stdout = io::stdout().lock();
    if let Err(error) = writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        LOST.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

/// Whether output was lost, other than to a reader that had enough (`wattlab … | head -1`).
///
/// # Errors
///
/// If standard output could not be written, as on a full disk.
pub fn lost() -> Result<(), Failure> {
    match LOST.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::run_time(
            anyhow::Error::new(error).context("failed to write standard output"),
        )),
        _ => Ok(()),
    }
}

/// A number's text for people: the sign of a negative one is a minus, not a hyphen.
pub(crate) fn minus(number: &str) -> String {
    number.strip_prefix('-').map_or_else(|| number.to_owned(), |it| format!("\u{2212}{it}"))
}

/// The accuracy of a flag: a share above 0 and at most 1.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    match text.parse::<f64>() {
        Ok(it) if it > 0.0 && it <= 1.0 => Ok(Target::Accuracy(it)),
        _ => Err(format!("`{text}` is no share above 0 and at most 1, such as 0.85 for 85 %")),
    }
}

/// Computes findings from records and writes `results.json` and `report/` into a folder; `target` is
/// the accuracy whose price in joules is shown.
///
/// # Errors
///
/// If the folder cannot be written.
pub(crate) fn write_report(
    records: &[record::RunRecord],
    folder: &Path,
    target: Target,
) -> Result<Results, anyhow::Error> {
    let published = Published::built_in();
    let results = report::results(records, &published);
    let document: Document = report::document(records, &results, &published, target);
    let path = folder.join("results.json");
    let mut json = serde_json::to_vec_pretty(&results)?;
    json.push(b'\n');
    write_whole(&path, &json).with_context(|| format!("failed to write `{}`", path.display()))?;
    let report = folder.join("report");
    let files = report::write(&document, &report)?;
    report::write_records(records, &files, &report)?;
    Ok(results)
}
