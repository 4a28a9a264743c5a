//! `wattlab tune`: hyper-parameter tuning of any program.

mod compare;
mod exchange;
mod run;
mod show;
mod spent;

use crate::Failure;

/// The subcommands of `wattlab tune`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Serve a study over JSON Lines: one request per line on standard input, one answer per line on
    /// standard output.
    Serve,
    /// Tune a command: run it once per trial, measure its energy, and read metrics from its output.
    Run(run::Args),
    /// Compare our search with the published one on real trainings: the joules each needs for the same
    /// accuracy.
    Compare(compare::Args),
    /// Queue a trial, which runs before the search goes on.
    Enqueue(exchange::EnqueueArgs),
    /// Add trials that were evaluated elsewhere: a CSV table, another journal, or a study of Optuna.
    Import(exchange::ImportArgs),
    /// Write the trials of a study as a CSV table, or as a study of Optuna.
    Export(exchange::ExportArgs),
    /// Show what a study has learned: importance, dependence and history, as text, JSON or figures.
    Show(show::Args),
}

/// Runs a subcommand.
///
/// # Errors
///
/// If the subcommand fails.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Serve => serve(),
        Command::Run(args) => run::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Enqueue(args) => exchange::enqueue(args),
        Command::Import(args) => exchange::import(args),
        Command::Export(args) => exchange::export(args),
        Command::Show(args) => show::run(args),
    }
}

/// Answers until standard input ends, or the reader of the answers closes the pipe.
fn serve() -> Result<(), Failure> {
    match tuner::serve(std::io::stdin().lock(), std::io::stdout().lock()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        served => served.map_err(Failure::run_time),
    }
}
