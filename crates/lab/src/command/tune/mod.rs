//! `wattlab tune`: hyper-parameters of anything.

mod journal;
mod request;
mod serve;
mod session;

use crate::Failure;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Answer requests on standard input, a JSON document a line, on standard output.
    Serve,
}

/// Runs it.
///
/// # Errors
///
/// If standard input or output fails.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Serve => serve::run(),
    }
}
