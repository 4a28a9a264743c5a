//! `wattlab simulate`: what batching does to a queue, without serving it.

mod batches;
mod calibrate;
mod description;
mod live;
mod mlperf;
mod network;
mod photographs;
mod replay;
mod table;
mod tune;
mod validate;

use std::{
    fs::File,
    io::BufWriter,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::{Failure, output, progress};

/// Arguments of `wattlab simulate`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    /// Description of the queue, as TOML.
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Write every request's times into this file, as CSV.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Simulate under so many seeds from the file's on, and take intervals from them.
    #[arg(long, value_name = "N", default_value_t = NonZeroUsize::MIN)]
    replications: NonZeroUsize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Measure what batches of a network take and draw, and write a description of its queue.
    Calibrate(calibrate::Args),
    /// Serve the queue of a calibrated description with its real network, beside its simulation.
    Live(live::Args),
    /// Run one of MLPerf's scenarios by LoadGen's rules.
    Mlperf(mlperf::Args),
    /// Replay the queues of the study's pilot from the times of its batches.
    Replay(replay::Args),
    /// Find the batch policy and size with the fewest joules that still answers in time.
    Tune(tune::Args),
    /// Calibrate networks, then serve and simulate the same queues under three policies.
    Validate(validate::Args),
}

/// Runs it.
///
/// # Errors
///
/// If the description cannot be read or describes no queue.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match (&args.command, &args.file) {
        (Some(Command::Calibrate(args)), _) => calibrate::run(args),
        (Some(Command::Live(args)), _) => live::run(args),
        (Some(Command::Mlperf(args)), _) => mlperf::run(args),
        (Some(Command::Replay(args)), _) => replay::run(args),
        (Some(Command::Tune(args)), _) => tune::run(args),
        (Some(Command::Validate(args)), _) => validate::run(args),
        (None, Some(file)) => simulate(file, args),
        (None, None) => Err(Failure::BadInput(anyhow::anyhow!("no file; see `--help`"))),
    }
}

fn simulate(file: &Path, args: &Args) -> Result<(), Failure> {
    let config = description::read(file).map_err(Failure::bad_input)?;
    let several = args.replications > NonZeroUsize::MIN;
    let report = if several {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        inference_sim::simulate_replicated(&config, args.replications, threads)
    } else {
        inference_sim::simulate(&config)
    };
    let report =
        report.map_err(|error| description::in_file(file, error)).map_err(Failure::bad_input)?;
    if let Some(path) = &args.log {
        let wrong = || format!("failed to write `{}`; choose another by `--log`", path.display());
        let out = File::create(path).with_context(wrong).map_err(Failure::BadInput)?;
        inference_sim::request_log(&config, BufWriter::new(out))
            .with_context(wrong)
            .map_err(Failure::RunTime)?;
    }
    if let Some(words) = table::warning(&report) {
        progress::line(&format!("warning: {words}"));
    }
    if args.json {
        return output::print_json(&report);
    }
    output::print(&table::table(&report, several));
    Ok(())
}
