//! `wattlab journal`: what is in a journal, whether it is whole, and what can be done about it.

mod export;
mod merge;
mod repair;
mod show;
mod verify;

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use record::Experiment;

use crate::Failure;

pub(crate) use self::repair::repaired;

/// Subcommands of `wattlab journal`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check every line: its seal, its record, its id, and that no run is there twice.
    Verify(verify::Args),
    /// List the runs, or show one record whole.
    Show(show::Args),
    /// Write the records as a table (CSV, Parquet) or as plain JSON lines.
    Export(export::Args),
    /// Join the journals of several folders into a new one.
    Merge(merge::Args),
    /// Move damaged lines aside; their runs are done again.
    Repair(repair::Args),
}

/// Runs it.
///
/// # Errors
///
/// If a journal cannot be read, is damaged, or does not hold what is asked for.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => verify::run(args),
        Command::Show(args) => show::run(args),
        Command::Export(args) => export::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Repair(args) => repair::run(args),
    }
}

/// The journal that a path means: a file, or that of a folder.
fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("journal.jsonl") } else { path.to_owned() }
}

/// The experiment of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Only {
    /// RQ1.
    Tuning,
    /// RQ2 and RQ3.
    Layers,
    /// RQ4.
    Batching,
    /// RQ5.
    Timeline,
}

impl From<Only> for Experiment {
    fn from(only: Only) -> Self {
        match only {
            Only::Tuning => Self::Tuning,
            Only::Layers => Self::Layers,
            Only::Batching => Self::Batching,
            Only::Timeline => Self::Timeline,
        }
    }
}
