//! `wattlab simulate`: what batching does to a queue, without serving it.

mod description;
mod table;

use std::path::PathBuf;

use crate::{Failure, output, progress};

/// Arguments of `wattlab simulate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Description of the queue, as TOML.
    file: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If the description cannot be read or describes no queue.
pub fn run(args: &Args) -> Result<(), Failure> {
    let config = description::read(&args.file).map_err(Failure::bad_input)?;
    let report = inference_sim::simulate(&config)
        .map_err(|error| description::in_file(&args.file, error))
        .map_err(Failure::bad_input)?;
    if let Some(words) = table::warning(&report) {
        progress::line(&format!("warning: {words}"));
    }
    if args.json {
        return output::print_json(&report);
    }
    output::print(&table::table(&report));
    Ok(())
}
