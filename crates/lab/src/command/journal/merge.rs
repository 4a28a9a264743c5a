//! `wattlab journal merge`: several journals as one.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use record::{NewJournal, RunId, RunSummary, create_folder, scan_journal, summarize_journal};
use serde_json::json;

use super::file;
use crate::{Failure, output};

/// Arguments of `wattlab journal merge`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Journals, or folders of reproductions.
    #[arg(required = true, num_args = 2..)]
    paths: Vec<PathBuf>,
    /// Folder, or file that ends with `.jsonl`, for the journal that is made.
    #[arg(long, value_name = "PATH")]
    out: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Where a run was first seen.
struct First {
    journal: usize,
    line: u64,
    outcome: u64,
}

/// The runs of all journals, and how many of each were not seen before.
#[derive(Default)]
struct Runs {
    first: HashMap<RunId, First>,
    taken: Vec<u64>,
    doubled: u64,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let paths: Vec<PathBuf> = args.paths.iter().map(|it| file(it)).collect();
    let out = if args.out.extension().is_some_and(|it| it == "jsonl") {
        args.out.clone()
    } else {
        args.out.join("journal.jsonl")
    };
    if out.exists() {
        return Err(Failure::BadInput(anyhow!(
            "`{}` is there already; name another place by `--out`",
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
        let from: Vec<_> = from.map(|(it, taken)| json!({"file": it, "taken": taken})).collect();
        return output::print_json(&json!({
            "schema": "wattlab.merge/1", "file": out, "records": records,
            "doubled": runs.doubled, "from": from,
        }));
    }
    for (path, taken) in paths.iter().zip(&runs.taken) {
        output::print(&format!("{}: {taken} runs taken", path.display()));
    }
    output::print(&format!(
        "{}: {records} runs, {} that were in several journals once",
        out.display(),
        runs.doubled
    ));
    Ok(())
}

impl Runs {
    /// Looks at a journal without keeping its records.
    fn take(&mut self, paths: &[PathBuf], at: usize) -> Result<(), Failure> {
        let path = &paths[at];
        let mut taken = 0;
        let mut conflict = None;
        let of = |it: RunSummary| {
            let mut hasher = DefaultHasher::new();
            serde_json::to_vec(&it.outcome).unwrap_or_default().hash(&mut hasher);
            (it.id, hasher.finish())
        };
        let state = summarize_journal(path, of, |line, (id, outcome)| match self.first.entry(id) {
            Entry::Vacant(place) => {
                place.insert(First { journal: at, line, outcome });
                taken += 1;
            }
            Entry::Occupied(place) if place.get().outcome == outcome => self.doubled += 1,
            Entry::Occupied(place) => {
                let first = place.get();
                conflict.get_or_insert((place.key().clone(), first.journal, first.line, line));
            }
        });
        state.and_then(|it| it.undamaged(path)).map_err(Failure::bad_input)?;
        if let Some((id, journal, first, line)) = conflict {
            return Err(Failure::BadInput(anyhow!(
                "run {id} has one outcome in `{}` line {first} and another in `{}` line {line}, \
                 though its spec determines it; one of them is of another version or a broken \
                 machine: leave that journal out, or move the line aside",
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
            format!("failed to create folder `{}`; choose another by `--out`", folder.display())
        })
        .map_err(Failure::BadInput)?;
    let mut new = NewJournal::create(out).map_err(Failure::run_time)?;
    for (at, path) in paths.iter().enumerate() {
        let mut kept = Ok(());
        let state = scan_journal(
            path,
            |it| it,
            |_, record| {
                let is_first = runs.first.get(&record.id).is_some_and(|it| it.journal == at);
                if is_first && kept.is_ok() {
                    kept = new.push(&record);
                }
            },
        );
        kept.map_err(Failure::run_time)?;
        state.and_then(|it| it.undamaged(path)).map_err(Failure::bad_input)?;
    }
    new.finish().map_err(Failure::run_time)
}
