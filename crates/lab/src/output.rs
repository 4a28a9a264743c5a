//! Files that are whole or not there, and the one JSON document on standard output.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::Context;
use record::{
    Experiment, JournalError, Results, RunRecord, last_record, scan_journal, summarize_journal,
};
use report::{Document, Published, RECORDS_AT_ONCE, RecordSource, Run, Runs, Target, WholeFile};
use serde::Serialize;

use crate::{Failure, insight};

/// Writes a file under a temporary name beside it, then renames it into place.
///
/// # Errors
///
/// If the folder cannot be written.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(content)?;
    file.finish()
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

/// Computes findings from a journal's records and writes `results.json` and `report/` into its
/// folder; `target` is the accuracy whose price in joules is shown.
///
/// # Errors
///
/// If there is no readable journal, or the folder cannot be written.
pub(crate) fn write_report(folder: &Path, target: Target) -> Result<Results, Failure> {
    let source = JournalFile::of(folder);
    let runs = source.runs().map_err(Failure::bad_input)?;
    written(&source, &runs, folder, target).map_err(Failure::run_time)
}

fn written(
    source: &JournalFile,
    runs: &Runs,
    folder: &Path,
    target: Target,
) -> Result<Results, anyhow::Error> {
    let published = Published::built_in();
    let results = report::results(runs, &published);
    let insights = insight::of_searches(&runs.rows.trials);
    let document: Document = report::document(runs, &results, &published, target, &insights);
    let path = folder.join("results.json");
    let mut json = serde_json::to_vec_pretty(&results)?;
    json.push(b'\n');
    write_whole(&path, &json).with_context(|| format!("failed to write `{}`", path.display()))?;
    let report = folder.join("report");
    let files = report::write(&document, &report)?;
    report::write_records(source, runs, &files, &report)?;
    Ok(results)
}

/// A journal whose records are read some at a time.
pub(crate) struct JournalFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// Only the runs of this experiment.
    pub(crate) only: Option<Experiment>,
}

impl JournalFile {
    /// That of a reproduction's folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { path: folder.join("journal.jsonl"), only: None }
    }

    /// Its runs as a report needs them.
    pub(crate) fn runs(&self) -> Result<Runs, JournalError> {
        let mut runs = Runs::default();
        let state = summarize_journal(&self.path, Run::from, |_, run| runs.push(run))?;
        state.undamaged(&self.path)?;
        runs.environment = last_record(&self.path)?.map(|it| it.environment);
        Ok(runs)
    }
}

impl RecordSource for JournalFile {
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()> {
        let mut some = Vec::with_capacity(RECORDS_AT_ONCE);
        let mut kept = Ok(());
        let state = scan_journal(
            &self.path,
            |it| self.only.is_none_or(|only| only == it.spec.experiment).then_some(it),
            |_, record| {
                some.extend(record);
                if some.len() == RECORDS_AT_ONCE && kept.is_ok() {
                    kept = sink(&some);
                    some.clear();
                }
            },
        );
        kept?;
        sink(&some)?;
        state.and_then(|it| it.undamaged(&self.path)).map_err(io::Error::other)
    }
}
