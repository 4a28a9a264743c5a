//! `wattlab simulate`: queues of inference requests, simulated and served.

mod answerer;
mod batches;
mod calibrate;
mod cascade_flags;
mod description;
mod escalation;
mod generation;
mod generation_tune;
mod live;
mod mlperf;
mod network;
mod photographs;
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
use inference_sim::{PolicyKind, limits};

use self::description::Description;
use crate::{Failure, output, progress};

/// Arguments of `wattlab simulate`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = policies()
)]
pub(crate) struct Args {
    /// Description of the queue, a TOML file; with `[tokens]`, of a generative model.
    #[arg(required = true)]
    file: Option<PathBuf>,
    /// Write the times of every request to this CSV file.
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Simulate with N seeds, beginning with the file's, and compute the intervals from them.
    #[arg(
        long,
        value_name = "N",
        default_value_t = NonZeroUsize::MIN,
        value_parser = limits::REPLICATIONS.parser::<NonZeroUsize>()
    )]
    replications: NonZeroUsize,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Measure the time and energy of a network's batches and write a description of its queue.
    Calibrate(calibrate::Args),
    /// Serve a calibrated queue with its real network and compare it with its simulation.
    Live(live::Args),
    /// Run one of MLPerf's scenarios by the rules of its LoadGen.
    Mlperf(mlperf::Args),
    /// Find the batching policy with the fewest joules that still answers in time.
    Tune(tune::Args),
    /// Calibrate networks, then compare served and simulated queues under three policies.
    Validate(validate::Args),
}

/// The batching policies and their keys, for `--help`.
fn policies() -> String {
    let mut lines = vec!["Policies of `[batching]`, with their keys:".to_owned()];
    for kind in PolicyKind::all() {
        let keys: Vec<String> = kind
            .keys()
            .iter()
            .map(|key| match key.is_optional() {
                true => format!("[{}]", key.name()),
                false => key.name().to_owned(),
            })
            .collect();
        lines.push(format!("  {:<14} {}", kind.name(), keys.join(", ")));
        lines.push(format!("    serves {}", kind.summary()));
    }
    lines.join("\n")
}

/// Runs the command.
///
/// # Errors
///
/// If the description cannot be read or simulated, or the log cannot be written.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    match (&args.command, &args.file) {
        (Some(Command::Calibrate(args)), _) => calibrate::run(args),
        (Some(Command::Live(args)), _) => live::run(args),
        (Some(Command::Mlperf(args)), _) => mlperf::run(args),
        (Some(Command::Tune(args)), _) => {
            match description::read_any(&args.file).map_err(Failure::bad_input)? {
                Description::Queue(config) => tune::run(*config, args),
                Description::Generation(config) => generation_tune::run(*config, args),
            }
        }
        (Some(Command::Validate(args)), _) => validate::run(args),
        (None, Some(file)) => simulate(file, args),
        (None, None) => Err(Failure::BadInput(anyhow::anyhow!(
            "FILE is missing: expected a description, see `--help`"
        ))),
    }
}

fn simulate(file: &Path, args: &Args) -> Result<(), Failure> {
    let config = match description::read_any(file).map_err(Failure::bad_input)? {
        Description::Queue(config) => *config,
        Description::Generation(config) => {
            let Args { replications, json, .. } = *args;
            let options = generation::Options { log: args.log.as_deref(), replications, json };
            return generation::run(file, &config, &options);
        }
    };
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
