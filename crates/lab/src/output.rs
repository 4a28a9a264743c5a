//! Files that are whole or not there, and the one JSON document on standard output.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use record::Results;
use report::{Document, Published};
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
#[expect(clippy::print_stdout, reason = "this is the program's promised output")]
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string_pretty(value).map_err(Failure::run_time)?);
    Ok(())
}

/// Prints a line of the program's output.
#[expect(clippy::print_stdout, reason = "this is the program's promised output")]
pub(crate) fn print(text: &str) {
    println!("{text}");
}

/// Computes findings from records and writes `results.json` and `report/` into a folder.
///
/// # Errors
///
/// If the folder cannot be written.
pub(crate) fn write_report(
    records: &[record::RunRecord],
    folder: &Path,
) -> Result<Results, anyhow::Error> {
    let published = Published::built_in();
    let results = report::results(records, &published);
    let document: Document = report::document(records, &results, &published);
    let path = folder.join("results.json");
    let mut json = serde_json::to_vec_pretty(&results)?;
    json.push(b'\n');
    write_whole(&path, &json).with_context(|| format!("failed to write `{}`", path.display()))?;
    let report = folder.join("report");
    let files = report::write(&document, &report)?;
    report::write_records(records, &files, &report)?;
    Ok(results)
}
