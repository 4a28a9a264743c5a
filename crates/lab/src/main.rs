//! The command `wattlab`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wattlab::command::{
    check, datasets, journal, measure, meter, model, plugin, probes, report, reproduce, simulate,
    stats, status, tune, worker,
};

/// What does an accuracy point cost in joules?
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the studies' experiments, test their claims and write the report.
    Reproduce(reproduce::Args),
    /// Write the report of a finished or interrupted reproduction again, from its journal alone.
    Report(report::Args),
    /// Verify that a reproduction's results hold a verdict for every claim.
    Check(check::Args),
    /// List the data sets, or fetch one and verify it.
    #[command(subcommand)]
    Datasets(datasets::Command),
    /// What is in a journal, whether it is whole, and what can be done about it.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Measure the energy of a command while it runs.
    Measure(measure::Args),
    /// The meter itself.
    #[command(subcommand)]
    Meter(meter::Command),
    /// The networks by themselves: logits, losses, speed.
    #[command(subcommand)]
    Model(model::Command),
    /// Probes that are loaded at run time.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// List what can measure energy here, or why not and what to do about it.
    Probes(probes::Args),
    /// Analyze any CSV file: ANOVA, Tukey, Kruskal-Wallis, pairs.
    #[command(subcommand)]
    Stats(stats::Command),
    /// Simulate a queue of inference requests: waits, responses, joules.
    Simulate(simulate::Args),
    /// How a study stands, from another terminal.
    Status(status::Args),
    /// Tune anything: ask for parameters, tell what they gave.
    #[command(subcommand)]
    Tune(tune::Command),
    /// Do the runs of a work folder; started by `reproduce`.
    #[command(hide = true)]
    Worker(worker::Args),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Measure(args) => return exit(measure::run(&args)),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Datasets(command) => datasets::run(&command),
        Command::Journal(command) => journal::run(&command),
        Command::Meter(command) => meter::run(&command),
        Command::Model(command) => model::run(&command),
        Command::Plugin(command) => plugin::run(&command),
        Command::Probes(args) => probes::run(&args),
        Command::Stats(command) => stats::run(&command),
        Command::Simulate(args) => simulate::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Tune(command) => tune::run(&command),
        Command::Worker(args) => worker::run(&args),
    };
    exit(outcome.map(|()| ExitCode::SUCCESS))
}

fn exit(outcome: Result<ExitCode, wattlab::Failure>) -> ExitCode {
    // What the command says of its work goes before what became of its words.
    match outcome.and_then(|code| wattlab::output::lost().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            wattlab::progress::line(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
