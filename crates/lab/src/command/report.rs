//! `wattlab report`: the report again, from the journal alone.

use std::path::PathBuf;

use crate::{Failure, output, progress};

/// Arguments of `wattlab report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the reproduction, with its `journal.jsonl`.
    folder: PathBuf,
    /// Print the content of `results.json`.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If there is no readable journal, or the folder cannot be written.
pub fn run(args: &Args) -> Result<(), Failure> {
    let records =
        record::read_journal(&args.folder.join("journal.jsonl")).map_err(Failure::bad_input)?;
    let results = output::write_report(&records, &args.folder).map_err(Failure::bad_input)?;
    if args.json {
        return output::print_json(&results);
    }
    progress::line(&format!("report: {}", args.folder.join("report/index.html").display()));
    Ok(())
}
