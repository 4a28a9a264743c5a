//! `wattlab journal repair`: damaged lines are moved aside.

use std::path::{Path, PathBuf};

use record::{Repair, repair_journal};
use serde_json::json;

use super::{file, verify::as_json};
use crate::{Failure, output, progress};

/// Arguments of `wattlab journal repair`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Journal, or the folder of a reproduction.
    path: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = file(&args.path);
    let done = repair_journal(&path).map_err(Failure::bad_input)?;
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.repair/1",
            "file": path,
            "records": done.records,
            "torn_bytes": done.torn.map(|it| it.bytes),
            "moved": done.moved.iter().map(as_json).collect::<Vec<_>>(),
            "aside": done.aside,
        }));
    }
    in_words(&path, &done).iter().for_each(|it| output::print(it));
    Ok(())
}

/// Repairs a journal, if there is one, and says what was done.
///
/// # Errors
///
/// If it is in use, of a later version, or its folder cannot be written.
pub(crate) fn repaired(path: &Path) -> Result<(), Failure> {
    if path.exists() {
        let done = repair_journal(path).map_err(Failure::bad_input)?;
        in_words(path, &done).iter().for_each(|it| progress::line(it));
    }
    Ok(())
}

fn in_words(path: &Path, done: &Repair) -> Vec<String> {
    let mut words: Vec<String> =
        done.moved.iter().map(|it| format!("line {}: {}", it.line, it.fault)).collect();
    if let Some(torn) = done.torn {
        words.push(format!("cut off an unfinished last line of {} bytes", torn.bytes));
    }
    words.push(match &done.aside {
        Some(aside) => format!(
            "{}: {} records left, {} lines moved to `{}`; their runs will be done again",
            path.display(),
            done.records,
            done.moved.len(),
            aside.display()
        ),
        None => format!("{}: {} records, no damaged line", path.display(), done.records),
    });
    words
}
