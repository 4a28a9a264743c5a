//! `wattlab tune import`: trials that were evaluated elsewhere.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail, ensure};
use serde_json::json;
use tuner::OpenStudy;

use super::{database, foreign, foreign::Foreign, log, open, table};
use crate::{Failure, output, progress};

/// Arguments of `wattlab tune import`.
#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Journal of `wattlab tune run` or `wattlab tune serve`, which must not be running.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// The trials: a CSV table, another journal, or a study of Optuna (an SQLite database, or the file
    /// of its journal storage).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Begin the journal with this description, if it does not exist.
    #[arg(long, value_name = "SPACE.toml")]
    space: Option<PathBuf>,
    /// The study to import, if the file of Optuna has several.
    #[arg(long, value_name = "NAME")]
    study: Option<String>,
    /// Columns of a CSV table with the values, one per objective [default: `value`, or `values_0`,
    /// `values_1`, …].
    #[arg(long, value_name = "COLUMN")]
    column: Vec<String>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
///
/// If a file cannot be read, or none of its trials is in the study's space.
pub(crate) fn import(args: &ImportArgs) -> Result<(), Failure> {
    let mut study = open(&args.journal, args.space.as_deref()).map_err(Failure::bad_input)?;
    let shown = args.file.display();
    let trials = read(args, &study).with_context(|| format!("`{shown}`"));
    let trials = trials.map_err(Failure::bad_input)?;
    let taken = foreign::add(&mut study, &trials).map_err(Failure::run_time)?;
    if let Some(why) = &taken.why {
        progress::line(&format!("{} trials are not in the space; {why}", taken.refused));
    }
    if args.json {
        output::print_json(&json!({
            "schema": "wattlab.tune-import/1",
            "added": taken.added,
            "known": taken.known,
            "refused": taken.refused,
        }))?;
    } else {
        output::print(&format!(
            "{} trials added, {} known already, {} not in the space",
            taken.added, taken.known, taken.refused
        ));
    }
    let check = || -> anyhow::Result<()> {
        ensure!(taken.refused < trials.len().max(1), "`{shown}`: no trial is in the study's space");
        Ok(())
    };
    check().map_err(Failure::bad_input)
}

/// The trials of a file, whose kind its first bytes tell.
fn read(args: &ImportArgs, study: &OpenStudy) -> anyhow::Result<Vec<Foreign>> {
    let path = &args.file;
    let mut first = Vec::new();
    units::open_regular(path)?.take(4096).read_to_end(&mut first)?;
    let name = args.study.as_deref();
    if first.starts_with(b"SQLite format 3\0") {
        database::read(path, name, study)
    } else if first.starts_with(b"{") && has(&first, b"\"op_code\"") {
        log::read(path, name, study)
    } else if first.starts_with(b"{") {
        journal(path, study)
    } else {
        table::read(path, &args.column, study)
    }
}

fn has(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The trials of another journal of ours.
fn journal(path: &Path, study: &OpenStudy) -> anyhow::Result<Vec<Foreign>> {
    let other = OpenStudy::read(path)?;
    if other.spec().senses() != study.spec().senses() {
        bail!("its `direction` differs from that of the study");
    }
    let ended = other.trials().filter(|trial| trial.is_completed() || trial.has_failed());
    Ok(ended
        .map(|trial| Foreign {
            place: format!("trial {}", trial.number),
            params: other.named(&trial.parameters),
            values: other.values_of(trial),
        })
        .collect())
}
