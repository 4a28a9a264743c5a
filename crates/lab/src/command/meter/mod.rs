//! `wattlab meter`: the meter itself.

mod validate;

use crate::Failure;

/// Subcommands of `wattlab meter`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Check the meter against simulated sensors whose energy is known; needs no hardware.
    Validate(validate::Args),
}

/// Runs it.
///
/// # Errors
///
/// If a check fails.
pub fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Validate(args) => validate::run(args),
    }
}
