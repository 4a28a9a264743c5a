//! `wattlab tune`: hyper-parameters of anything.

mod compare;
mod engine;
mod journal;
mod open;
mod parameter;
mod request;
mod run;
mod serve;
mod session;
mod show;
mod spent;

use crate::Failure;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Answer requests on standard input, a JSON document a line, on standard output.
    Serve,
    /// Run a command a trial, measure it, and read its metrics from what it prints.
    Run(run::Args),
    /// Compare our strategy with the study's on real trainings: whose joules buy the same accuracy.
    Compare(compare::Args),
    /// Say what a study has learned: importance, dependence, history; as text, data and figures.
    Show(show::Args),
}

/// Runs it.
///
/// # Errors
///
/// If standard input or output fails.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Serve => serve::run(),
        Command::Run(args) => run::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Show(args) => show::run(args),
    }
}
