//! `wattlab journal`: verifies, shows, exports, merges and repairs journals.

mod args;
mod disclose;
mod export;
mod merge;
mod repair;
mod show;
mod verify;

use crate::Failure;

pub(crate) use self::repair::repaired;

/// Subcommands of `wattlab journal`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Check every line of a journal for damage
    Verify(verify::Args),
    /// List the runs of a journal, or print one record
    Show(show::Args),
    /// Write the records of a journal as CSV, Parquet or JSON Lines
    Export(export::Args),
    /// Show or write the energy of a study as SCI for AI, the EU's AI Act or MLflow ask for it
    Disclose(disclose::Args),
    /// Combine several journals into a new one
    Merge(merge::Args),
    /// Move the damaged lines of a journal into another file
    Repair(repair::Args),
}

/// Runs a subcommand of `wattlab journal`.
///
/// # Errors
///
/// If a journal cannot be read or is damaged, or does not contain a requested run.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Verify(args) => verify::run(args),
        Command::Show(args) => show::run(args),
        Command::Export(args) => export::run(args),
        Command::Disclose(args) => disclose::run(args),
        Command::Merge(args) => merge::run(args),
        Command::Repair(args) => repair::run(args),
    }
}
