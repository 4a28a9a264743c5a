//! `wattlab journal merge`: combines several journals into a new one.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use record::{NewJournal, RunId, RunSummary, create_folder, scan_journal, summarize_journal};
use serde_json::json;

use super::args::file;
use crate::{Failure, output};

/// Arguments of `wattlab journal merge`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journals, or folders of reproductions with a `journal.jsonl`
    #[arg(required = true, num_args = 2..)]
    paths: Vec<PathBuf>,
    /// New journal: a folder, or a file whose name ends with `.jsonl`
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// Where a run was found first.
struct First {
    journal: usize,
    line: u64,
    /// Hash of the outcome.
    outcome: u64,
}

/// The runs of all journals.
#[derive(Default)]
struct Runs {
    first: HashMap<RunId, First>,
    /// For each journal, how many of its runs were in no journal before it.
    taken: Vec<u64>,
    /// How many records were skipped because their run was found before.
    doubled: u64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = args.paths.iter().map(|path| file(path)).collect();
    let out = if args.out.extension().is_some_and(|end| end == "jsonl") {
        args.out.clone()
    } else {
        args.out.join("journal.jsonl")
    };
    if out.exists() {
        return Err(Failure::BadInput(anyhow!(
            "`{}` already exists; choose another file or folder with `--out`",
            out.display()
        )));
    }
    let mut runs = Runs::default();
    for at in 0..paths.len() {
        runs.take(&paths, at)?;
    }
    written(&paths, &runs, &out)?;
    let records: u64 = runs.taken.iter().sum();
    if args.json {
        let from = paths.iter().zip(&runs.taken);
        let from: Vec<_> =
            from.map(|(path, taken)| json!({"file": path, "taken": taken})).collect();
        return output::print_json(&json!({
            "schema": "wattlab.merge/1", "file": out, "records": records,
            "doubled": runs.doubled, "from": from,
        }));
    }
    for (path, taken) in paths.iter().zip(&runs.taken) {
        output::print(&format!("{}: {taken} runs taken", path.display()));
    }
    output::print(&format!(
        "{}: {records} runs; {} records of runs that were already in an earlier journal are left out",
        out.display(),
        runs.doubled
    ));
    Ok(())
}

impl Runs {
    /// Notes the runs of a journal without keeping its records.
    fn take(&mut self, paths: &[PathBuf], at: usize) -> Result<(), Failure> {
        let path = &paths[at];
        let mut taken = 0;
        let mut conflict = None;
        let of = |summary: RunSummary| {
            let mut hasher = DefaultHasher::new();
            serde_json::to_vec(&summary.outcome).unwrap_or_default().hash(&mut hasher);
            (summary.id, hasher.finish())
        };
        let state = summarize_journal(path, of, |line, (id, outcome)| match self.first.entry(id) {
            Entry::Vacant(entry) => {
                entry.insert(First { journal: at, line, outcome });
                taken += 1;
            }
            Entry::Occupied(entry) if entry.get().outcome == outcome => self.doubled += 1,
            Entry::Occupied(entry) => {
                let first = entry.get();
                conflict.get_or_insert((entry.key().clone(), first.journal, first.line, line));
            }
        });
        state.and_then(|state| state.undamaged(path)).map_err(Failure::bad_input)?;
        if let Some((id, journal, first, line)) = conflict {
            return Err(Failure::BadInput(anyhow!(
                "run {id} has one outcome in line {first} of `{}` and another in line {line} of `{}`, \
                 although equal runs must have equal outcomes; one of them was done by another \
                 version of wattlab or on a faulty machine: leave its journal out, or remove the line",
                paths[journal].display(),
                path.display()
            )));
        }
        self.taken.push(taken);
        Ok(())
    }
}

fn written(paths: &[PathBuf], runs: &Runs, out: &Path) -> Result<(), Failure> {
    let folder = out.parent().unwrap_or(Path::new("."));
    create_folder(folder)
        .with_context(|| {
            format!(
                "failed to create folder `{}`; choose another folder with `--out`",
                folder.display()
            )
        })
        .map_err(Failure::BadInput)?;
    let mut new = NewJournal::create(out).map_err(Failure::run_time)?;
    for (at, path) in paths.iter().enumerate() {
        let mut kept = Ok(());
        let state = scan_journal(
            path,
            |record| record,
            |_, record| {
                let is_first = runs.first.get(&record.id).is_some_and(|first| first.journal == at);
                if is_first && kept.is_ok() {
                    kept = new.push(&record);
                }
            },
        );
        kept.map_err(Failure::run_time)?;
        state.and_then(|state| state.undamaged(path)).map_err(Failure::bad_input)?;
    }
    new.finish().map_err(Failure::run_time)
}
