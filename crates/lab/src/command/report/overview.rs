//! `wattlab report overview`: the verdicts of several studies in one table.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use record::{Finding, Origin, Results, Verdict};
use report::CLAIMS;
use units::{limits, read_text};

use crate::{
    Failure,
    output::{self, write_whole},
};

/// The lines between which `--into` writes.
const START: &str = "<!-- overview: written by `wattlab report overview --into` -->";
const END: &str = "<!-- end of overview -->";

/// Arguments of `wattlab report overview`.
#[derive(Debug, clap::Args)]
pub(super) struct Overview {
    /// Folders of reproductions, each with its `results.json`.
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Replace the table in this Markdown file, between its lines `<!-- overview … -->` and
    /// `<!-- end of overview -->`, instead of printing it.
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
///
/// If a `results.json` cannot be read, or the file has no place for the table.
pub(super) fn run(args: &Overview) -> Result<(), Failure> {
    let studies =
        args.folders.iter().map(|folder| read(folder)).collect::<Result<Vec<_>, Failure>>()?;
    let table = table(&studies);
    let Some(path) = &args.into else {
        output::print(table.trim_end());
        return Ok(());
    };
    let text = read_text(path, limits::CONFIG_BYTES.max())
        .with_context(|| format!("failed to read `{}`", path.display()))
        .map_err(Failure::BadInput)?;
    let parts = text.split_once(START).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "`{}` has no place for the table; add the lines `{START}` and `{END}`",
            path.display()
        ))
    })?;
    write_whole(path, format!("{before}{START}\n\n{table}\n{END}{after}").as_bytes())
        .with_context(|| format!("failed to write `{}`", path.display()))
        .map_err(Failure::RunTime)
}

/// A study: the name of its folder, and its findings.
fn read(folder: &Path) -> Result<(String, Results), Failure> {
    let path = folder.join("results.json");
    let results = read_text(&path, limits::CONFIG_BYTES.max())
        .map_err(anyhow::Error::from)
        .and_then(|json| Ok(serde_json::from_str(&json)?))
        .with_context(|| {
            format!(
                "failed to read `{}`; `wattlab report {}` writes it from the journal",
                path.display(),
                folder.display()
            )
        })
        .map_err(Failure::BadInput)?;
    let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    Ok((name, results))
}

/// A row for each claim and a column for each study.
fn table(studies: &[(String, Results)]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let head = std::iter::once("claim".to_owned());
    let names = studies.iter().map(|(name, _)| format!("`{name}`"));
    let mut table = line(head.chain(names).collect());
    table.push_str(&line(vec!["---".to_owned(); studies.len() + 1]));
    for claim in CLAIMS {
        let cell = |(_, results): &(String, Results)| {
            let finding = results.claims.iter().find(|finding| finding.id == claim.id);
            finding.map_or_else(|| "–".to_owned(), cell)
        };
        let cells = std::iter::once(claim.id.to_string()).chain(studies.iter().map(cell));
        table.push_str(&line(cells.collect()));
    }
    table
}

/// `**supported**: 0.864 [0.841 to 0.886], estimated`, or a dash for a claim that was not run.
fn cell(finding: &Finding) -> String {
    if finding.was_not_run() {
        return "–".to_owned();
    }
    let word = match finding.verdict {
        Verdict::Inconclusive => finding.verdict.word().to_owned(),
        decided => format!("**{}**", decided.word()),
    };
    let number = |value: f64| output::minus(&format!("{value:.3}"));
    let effect = finding.evidence.effect.map_or_else(String::new, |effect| {
        let interval = finding.evidence.ci95.map_or_else(String::new, |[low, high]| {
            format!(" [{} to {}]", number(low), number(high))
        });
        format!(": {}{interval}", number(effect))
    });
    let origin = match finding.energy_origin {
        Some(Origin::Measured) => ", measured",
        Some(Origin::Estimated) => ", estimated",
        Some(Origin::Mixed) => ", mixed",
        None => "",
    };
    format!("{word}{effect}{origin}")
}
