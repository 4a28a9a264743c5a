//! Writes the findings and the report of a journal: `results.json` and the folder `report/`.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::Context;
use record::{
    Experiment, JournalError, Results, RunRecord, last_record, scan_journal, summarize_journal,
};
use report::{Document, Formats, RECORDS_AT_ONCE, RecordSource, RunDigest, Runs, Target};

use crate::{Failure, everyday::Everyday, evidence, insight, output::write_whole};

/// Computes findings from the journal in a folder and writes `results.json` and `report/` there.
///
/// `target` is the accuracy whose energy cost is shown; `everyday` puts the joules into other units. The tables of all records are written only
/// with [`Formats::all`].
///
/// # Errors
///
/// If there is no readable journal, or the folder cannot be written.
pub(crate) fn write_report(
    folder: &Path,
    target: Target,
    formats: &Formats,
    everyday: &Everyday,
) -> Result<Results, Failure> {
    let source = JournalFile::of(folder);
    let runs = source.runs().map_err(Failure::bad_input)?;
    let facts = runs.energy.map(|energy| everyday.facts(energy)).transpose()?.unwrap_or_default();
    written(&source, &runs, folder, target, formats, facts).map_err(|error| {
        // The tables of all records read parts of the lines that the summary leaves out.
        let is_damage = error.chain().any(|cause| cause.is::<JournalError>());
        if is_damage { Failure::BadInput(error) } else { Failure::RunTime(error) }
    })
}

fn written(
    source: &JournalFile,
    runs: &Runs,
    folder: &Path,
    target: Target,
    formats: &Formats,
    facts: Vec<(String, String)>,
) -> Result<Results, anyhow::Error> {
    let results = report::results(runs);
    let insights = insight::of_searches(&runs.rows.trials);
    let mut document: Document = report::document(runs, &results, target, &insights);
    let energy = document.facts.iter().position(|(name, _)| name.starts_with("total energy"));
    let after = energy.map_or(document.facts.len(), |at| at + 1);
    document.facts.splice(after..after, facts);
    document.sections.push(report::elsewhere_section(&evidence::embedded()?));
    let report = folder.join("report");
    let files = report::write(&document, &report, formats)?;
    if *formats == Formats::all() {
        report::write_records(source, runs, &files, &report)?;
    }
    // Last, so that results never come from a journal that cannot be read whole.
    let path = folder.join("results.json");
    let mut json = serde_json::to_vec_pretty(&results)?;
    json.push(b'\n');
    write_whole(&path, &json).with_context(|| format!("failed to write `{}`", path.display()))?;
    Ok(results)
}

/// A journal whose records are read in chunks, so that they need not fit into memory.
pub(crate) struct JournalFile {
    /// The file.
    pub(crate) path: PathBuf,
    /// If set, only the runs of this experiment.
    pub(crate) only: Option<Experiment>,
}

impl JournalFile {
    /// The journal of a reproduction's folder.
    pub(crate) fn of(folder: &Path) -> Self {
        Self { path: folder.join("journal.jsonl"), only: None }
    }

    /// What the report needs of each run.
    pub(crate) fn runs(&self) -> Result<Runs, JournalError> {
        let mut runs = Runs::default();
        let state = summarize_journal(&self.path, RunDigest::from, |_, run| runs.push(run))?;
        state.undamaged(&self.path)?;
        runs.environment = last_record(&self.path)?.map(|record| record.environment);
        Ok(runs)
    }
}

impl RecordSource for JournalFile {
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()> {
        let mut chunk = Vec::with_capacity(RECORDS_AT_ONCE);
        let mut written = Ok(());
        let state = scan_journal(
            &self.path,
            |record| {
                let wanted = self.only.is_none_or(|only| only == record.spec.experiment);
                wanted.then_some(record)
            },
            |_, record| {
                chunk.extend(record);
                if chunk.len() == RECORDS_AT_ONCE && written.is_ok() {
                    written = sink(&chunk);
                    chunk.clear();
                }
            },
        );
        written?;
        sink(&chunk)?;
        state.and_then(|state| state.undamaged(&self.path)).map_err(io::Error::other)
    }
}
