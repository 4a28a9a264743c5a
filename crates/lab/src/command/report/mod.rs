//! `wattlab report`: the report again, from the journal alone; and two folders compared.

mod overview;

use std::path::{Path, PathBuf};

use self::overview::Overview;
use crate::{Failure, everyday::Everyday, output, progress, reporting};
use ::report::{Formats, Rows, Target};
use anyhow::anyhow;
use units::limits;

/// Arguments of `wattlab report`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder of the reproduction, with its `journal.jsonl`.
    #[arg(required = true)]
    folder: Option<PathBuf>,
    /// Test accuracy for which RQ1 shows the energy that each strategy needs; by default 0.95 of the best
    /// accuracy found.
    #[arg(long, value_name = "SHARE", value_parser = output::target)]
    target: Option<Target>,
    #[arg(long, value_name = "FORMAT", value_delimiter = ',', help = formats())]
    format: Vec<String>,
    #[command(flatten)]
    everyday: Everyday,
    /// Print the content of `results.json`.
    #[arg(long)]
    json: bool,
}

/// The help of `--format`: the formats of the list of exporters.
fn formats() -> String {
    let always = Formats::known().filter(|(_, feature)| feature.is_none());
    let always: Vec<&str> = always.map(|(format, _)| format).collect();
    let optional: Vec<String> = Formats::known()
        .filter_map(|(format, feature)| Some(format!("; {format} with the feature `{}`", feature?)))
        .collect();
    format!(
        "Write only files of these formats, separated by commas: {}{}. Without this flag, write all of them and \
         the tables of all records",
        always.join(", "),
        optional.concat()
    )
}

/// Subcommands of `wattlab report`.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Compare two folders (two machines, two versions): which effects differ, and by how much.
    Compare(Compare),
    /// Show the verdicts of several studies in one table, in Markdown.
    Overview(Overview),
}

/// Arguments of `wattlab report compare`.
#[derive(Debug, clap::Args)]
struct Compare {
    /// Folder of the first reproduction.
    a: PathBuf,
    /// Folder of the second reproduction.
    b: PathBuf,
    /// Exit with code 1 if an effect differs significantly by more than this share, such as 0.1.
    #[arg(long, value_name = "SHARE", value_parser = limits::CHANGE.parser())]
    threshold: Option<f64>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If there is no readable journal, the folder cannot be written, or a difference exceeds the
/// threshold.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Some(Command::Compare(args)) => return compare(args),
        Some(Command::Overview(args)) => return overview::run(args),
        None => {}
    }
    let folder = args.folder.as_deref().unwrap_or(Path::new("."));
    let formats = if args.format.is_empty() {
        Formats::all()
    } else {
        Formats::only(&args.format)
            .map_err(|error| Failure::BadInput(anyhow!(error).context("flag `--format`")))?
    };
    let results =
        reporting::write_report(folder, args.target.unwrap_or_default(), &formats, &args.everyday)?;
    if args.json {
        return output::print_json(&results);
    }
    progress::line(&format!("report: {}", folder.join("report/index.html").display()));
    Ok(())
}

fn rows(folder: &Path) -> Result<Rows, Failure> {
    let runs = reporting::JournalFile::of(folder).runs();
    runs.map(|runs| runs.rows).map_err(Failure::bad_input)
}

fn compare(args: &Compare) -> Result<(), Failure> {
    let (a, b) = (rows(&args.a)?, rows(&args.b)?);
    let found = report::compare_folders(&a, &b);
    if found.differences.is_empty() {
        return Err(Failure::BadInput(anyhow!(
            "`{}` and `{}` have no experiment in common, expected two reproductions of the same profile",
            args.a.display(),
            args.b.display()
        )));
    }
    if args.json {
        output::print_json(&serde_json::json!({
            "schema": "wattlab.compare/1",
            "differences": found.differences,
            "verdicts": found.verdicts,
            "threshold": args.threshold,
        }))?;
    } else {
        show(&found);
    }
    let Some(threshold) = args.threshold else { return Ok(()) };
    let above: Vec<&str> =
        found.above(threshold).map(|difference| difference.name.as_str()).collect();
    if above.is_empty() {
        return Ok(());
    }
    Err(Failure::RunTime(anyhow!(
        "{} of {} effects differ by more than {:.1} %: {}",
        above.len(),
        found.differences.len(),
        threshold * 100.0,
        above.join("; ")
    )))
}

fn show(found: &report::FolderComparison) {
    let percent = |value: f64| output::minus(&format!("{:+.1}", value * 100.0));
    for difference in found.differences.iter().filter(|difference| difference.differs()) {
        let interval = difference.ci95.map_or_else(String::new, |[low, high]| {
            format!(" [{} to {}]", percent(low), percent(high))
        });
        let origin =
            difference.origin.map_or_else(String::new, |origin| format!(", {}", origin.word()));
        let unit = if difference.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", difference.unit)
        };
        output::print(&format!(
            "{}{interval} {}  {}: {:.4}{unit} → {:.4}{unit}{origin}",
            percent(difference.change),
            if difference.unit.is_empty() { "points" } else { "%" },
            difference.name,
            difference.a,
            difference.b,
        ));
    }
    for change in &found.verdicts {
        output::print(&format!(
            "verdict {}: {} → {}",
            change.claim,
            change.a.word(),
            change.b.word()
        ));
    }
    if let Some(first) = found.not_comparable.first() {
        output::print(&format!(
            "{} energies are not compared, because one folder measured them and the other estimated \
             them, at least in part: {first}{}",
            found.not_comparable.len(),
            if found.not_comparable.len() > 1 { ", …" } else { "" }
        ));
    }
    let differing = found.differences.iter().filter(|difference| difference.differs()).count();
    output::print(&format!(
        "{differing} of {} effects differ (Welch's t test, p < 0.05 after Holm's correction); {} verdicts differ",
        found.differences.len(),
        found.verdicts.len()
    ));
}
