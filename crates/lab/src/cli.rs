//! The command line: subcommands, exit codes.

#[cfg(test)]
mod numbers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    Failure,
    command::{
        check, datasets, journal, measure, meter, model, plugin, predict, probes, report,
        reproduce, simulate, stats, status, tune, worker,
    },
    output,
};

/// Measure the energy of deep learning and reproduce two studies of it.
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
    /// Write the report again from a journal, or compare two reproductions.
    Report(report::Args),
    /// Verify that a reproduction has a verdict for every claim.
    Check(check::Args),
    /// List the data sets, or fetch one and verify it.
    #[command(subcommand)]
    Datasets(datasets::Command),
    /// Verify, show, export, merge or repair journals.
    #[command(subcommand)]
    Journal(journal::Command),
    /// Measure the energy of a command while it runs.
    Measure(Box<measure::Args>),
    /// Serve, validate or inspect the energy meter.
    #[command(subcommand)]
    Meter(meter::Command),
    /// Run, train, profile or benchmark the networks by themselves.
    #[command(subcommand)]
    Model(model::Command),
    /// Check or serve probes that are loaded from shared libraries.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Predict the joules of a training before it runs, from trainings that others measured.
    Predict(predict::Args),
    /// List the probes: which can measure energy here, and how to enable the others.
    Probes(probes::Args),
    /// Analyze a CSV file: ANOVA, Tukey, Kruskal-Wallis, pairwise comparisons.
    #[command(subcommand)]
    Stats(stats::Command),
    /// Simulate a queue of inference requests: waiting times, response times, energy.
    Simulate(simulate::Args),
    /// Show the progress of a study from another terminal.
    Status(status::Args),
    /// Tune the parameters of any program, by quality and energy.
    #[command(subcommand)]
    Tune(tune::Command),
    /// Do the runs of a work folder (started by `reproduce`).
    #[command(hide = true)]
    Worker(worker::Args),
}

/// Runs the command line of this process and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Err(error) = models::InstructionSet::chosen() {
        return exit(Err(Failure::bad_input(error)));
    }
    let outcome = match command {
        Command::Measure(args) => return pass_on(measure::run(&args)),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Datasets(command) => datasets::run(&command),
        Command::Journal(command) => journal::run(&command),
        Command::Meter(command) => meter::run(&command),
        Command::Model(command) => model::run(&command),
        Command::Plugin(command) => plugin::run(&command),
        Command::Predict(args) => predict::run(&args),
        Command::Probes(args) => probes::run(&args),
        Command::Stats(command) => stats::run(&command),
        Command::Simulate(args) => simulate::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Tune(command) => tune::run(&command),
        Command::Worker(args) => worker::run(&args),
    };
    exit(outcome.map(|()| ExitCode::SUCCESS))
}

/// The exit code of a command that was measured, which a result that could not be printed does not hide.
fn pass_on(outcome: Result<u8, Failure>) -> ExitCode {
    match outcome {
        Ok(code) if code != 0 => {
            if let Err(failure) = output::lost() {
                output::line(&format!("error: {failure}"));
            }
            ExitCode::from(code)
        }
        other => exit(other.map(ExitCode::from)),
    }
}

fn exit(outcome: Result<ExitCode, Failure>) -> ExitCode {
    // An error of the command matters more than output that could not be written.
    match outcome.and_then(|code| output::lost().map(|()| code)) {
        Ok(code) => code,
        Err(failure) => {
            output::line(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
