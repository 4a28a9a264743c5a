//! `wattlab report`: the report again, from the journal alone; and two folders compared.

use std::path::{Path, PathBuf};

use crate::{Failure, output, progress, reporting};
use ::report::{Rows, Target};
use anyhow::anyhow;

/// Arguments of `wattlab report`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder of the reproduction, with its `journal.jsonl`.
    #[arg(required = true)]
    folder: Option<PathBuf>,
    /// Test accuracy whose price in joules RQ1 shows; without it 0.95 of the best that was found.
    #[arg(long, value_name = "SHARE", value_parser = output::target)]
    target: Option<Target>,
    /// Print the content of `results.json`.
    #[arg(long)]
    json: bool,
}

/// Subcommands of `wattlab report`.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say which effects differ between two folders (two machines, two versions), and by how much.
    Compare(Compare),
}

/// Arguments of `wattlab report compare`.
#[derive(Debug, clap::Args)]
struct Compare {
    /// Folder of a reproduction.
    a: PathBuf,
    /// Folder that is compared with it.
    b: PathBuf,
    /// Exit with 1 if an effect differs by more than this share, such as 0.1.
    #[arg(long, value_name = "SHARE")]
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
    if let Some(Command::Compare(args)) = &args.command {
        return compare(args);
    }
    let folder = args.folder.as_deref().unwrap_or(Path::new("."));
    let results = reporting::write_report(folder, args.target.unwrap_or_default())?;
    if args.json {
        return output::print_json(&results);
    }
    progress::line(&format!("report: {}", folder.join("report/index.html").display()));
    Ok(())
}

fn rows(folder: &Path) -> Result<Rows, Failure> {
    let runs = reporting::JournalFile::of(folder).runs();
    runs.map(|it| it.rows).map_err(Failure::bad_input)
}

fn compare(args: &Compare) -> Result<(), Failure> {
    if let Some(threshold) = args.threshold.filter(|it| !(0.0..).contains(it)) {
        return Err(Failure::BadInput(anyhow!(
            "flag `--threshold` is {threshold}, expected a share from 0, such as 0.1 for 10 %"
        )));
    }
    let (a, b) = (rows(&args.a)?, rows(&args.b)?);
    let found = report::compare_folders(&a, &b, &report::Published::built_in());
    if found.differences.is_empty() {
        return Err(Failure::BadInput(anyhow!(
            "`{}` and `{}` have no cell in common, expected two reproductions of one profile",
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
    let above: Vec<&str> = found.above(threshold).map(|it| it.name.as_str()).collect();
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
    let percent = |it: f64| output::minus(&format!("{:+.1}", it * 100.0));
    for it in found.differences.iter().filter(|it| it.differs()) {
        let interval = it.ci95.map_or_else(String::new, |[low, high]| {
            format!(" [{} to {}]", percent(low), percent(high))
        });
        let origin = it.origin.map_or_else(String::new, |it| format!(", {}", it.word()));
        let unit = if it.unit.is_empty() { String::new() } else { format!(" {}", it.unit) };
        output::print(&format!(
            "{}{interval} {}  {}: {:.4}{unit} → {:.4}{unit}{origin}",
            percent(it.change),
            if it.unit.is_empty() { "points" } else { "%" },
            it.name,
            it.a,
            it.b,
        ));
    }
    for it in &found.verdicts {
        output::print(&format!("verdict {}: {} → {}", it.claim, it.a.word(), it.b.word()));
    }
    let differing = found.differences.iter().filter(|it| it.differs()).count();
    output::print(&format!(
        "{differing} of {} effects differ (Welch's t test, p < 0.05 after Holm), {} verdicts",
        found.differences.len(),
        found.verdicts.len()
    ));
}
