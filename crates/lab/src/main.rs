//! The command `wattlab`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use wattlab::command::{check, datasets, probes, report, reproduce, stats};

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
    /// List what can measure energy here, or why not and what to do about it.
    Probes(probes::Args),
    /// Analyze any CSV file: ANOVA, Tukey, Kruskal-Wallis, pairs.
    #[command(subcommand)]
    Stats(stats::Command),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Datasets(command) => datasets::run(&command),
        Command::Probes(args) => probes::run(&args),
        Command::Stats(command) => stats::run(&command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            wattlab::progress::line(&format!("error: {failure}"));
            failure.exit_code()
        }
    }
}
