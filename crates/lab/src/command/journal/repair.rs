//! `wattlab journal repair`: moves damaged lines into another file.

use std::path::{Path, PathBuf};

use record::{AlsoMove, Repair, repair_journal};
use serde_json::json;
use units::limits;

use super::{args::file, verify::as_json};
use crate::{Failure, output, progress};

/// Arguments of `wattlab journal repair`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal, or folder of a reproduction with a `journal.jsonl`
    path: PathBuf,
    /// Also move lines that a newer version of wattlab wrote
    #[arg(long)]
    newer: bool,
    /// Also move the line with this number, counted from 1; can be given more than once
    #[arg(long = "line", value_name = "N", value_parser = limits::JOURNAL_LINE.parser::<u64>())]
    lines: Vec<u64>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = file(&args.path);
    let done = repair_journal(&path, &AlsoMove::new(args.newer, args.lines.clone()))
        .map_err(Failure::bad_input)?;
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.repair/1",
            "file": path,
            "records": done.records,
            "torn_bytes": done.torn.map(|torn| torn.bytes),
            "moved": done.moved.iter().map(as_json).collect::<Vec<_>>(),
            "aside": done.aside,
        }));
    }
    in_words(&path, &done).iter().for_each(|line| output::print(line));
    Ok(())
}

/// Repairs a journal if it exists, and prints what was done.
///
/// # Errors
///
/// If the journal is in use or holds a line of a newer version, or its folder cannot be written.
pub(crate) fn repaired(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        let done = repair_journal(path, &AlsoMove::default()).map_err(Failure::bad_input)?;
        in_words(path, &done).iter().for_each(|line| progress::line(line));
    }
    Ok(())
}

/// What a repair did, as lines of text.
fn in_words(path: &Path, done: &Repair) -> Vec<String> {
    let mut lines: Vec<String> = done
        .moved
        .iter()
        .map(|damaged| format!("line {}: {}", damaged.line, damaged.fault))
        .collect();
    if let Some(torn) = done.torn {
        lines.push(format!("removed an unfinished last line of {} bytes", torn.bytes));
    }
    lines.push(match &done.aside {
        Some(aside) => format!(
            "{}: {} records left, {} lines moved to `{}`; their runs will be done again",
            path.display(),
            done.records,
            done.moved.len(),
            aside.display()
        ),
        None => format!("{}: {} records, no damaged lines", path.display(), done.records),
    });
    lines
}
