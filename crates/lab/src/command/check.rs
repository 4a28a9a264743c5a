//! `wattlab check`: verifies that every claim has a verdict.

use std::path::PathBuf;

use anyhow::{Context, anyhow};
use record::{RESULTS_SCHEMA, Results};
use report::CLAIMS;
use units::{limits, read_text};

use crate::{Failure, output};

/// Arguments of `wattlab check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the reproduction, with `results.json`, journal and report.
    folder: PathBuf,
}

/// Runs `wattlab check`.
///
/// # Errors
///
/// If the results cannot be read, or a claim or a file of the report is missing.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let path = args.folder.join("results.json");
    let text = read_text(&path, limits::CONFIG_BYTES.max())
        .with_context(|| {
            format!("failed to read `{}`; run `wattlab reproduce` first", path.display())
        })
        .map_err(Failure::BadInput)?;
    let results: Results = serde_json::from_str(&text)
        .with_context(|| {
            format!(
                "`{}` does not hold results; run `wattlab report` on its folder",
                path.display()
            )
        })
        .map_err(Failure::BadInput)?;
    let problems = problems(&results, args);
    for claim in &results.claims {
        let origin = claim.energy_origin.map_or("no joules", record::Origin::word);
        output::print(&format!("{:<32} {:<13} {origin}", claim.id, claim.verdict.word()));
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::RunTime(anyhow!("`{}`: {}", args.folder.display(), problems.join("; "))))
}

fn problems(results: &Results, args: &Args) -> Vec<String> {
    let mut problems = Vec::new();
    if results.schema != RESULTS_SCHEMA {
        problems.push(format!("schema `{}`, expected `{RESULTS_SCHEMA}`", results.schema));
    }
    for claim in CLAIMS {
        match results.claims.iter().filter(|finding| finding.id == claim.id).count() {
            1 => {}
            n => problems.push(format!("{n} verdicts on `{}`, expected 1", claim.id)),
        }
    }
    for file in ["journal.jsonl", "report/index.html", "report/report.md"] {
        if !args.folder.join(file).is_file() {
            problems.push(format!("`{file}` is missing"));
        }
    }
    problems
}
