//! `wattlab meter`: commands about the meter itself.

mod gpu;
mod serve;
mod validate;

use crate::Failure;

/// Subcommands of `wattlab meter`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Compare a GPU's energy counter with its power reading, idle and under a load.
    Gpu(gpu::Args),
    /// Serve energy and power to Prometheus (OpenMetrics), and send them to OpenTelemetry.
    Serve(serve::Args),
    /// Check the meter on simulated sensors whose true energy is known; needs no hardware.
    Validate(validate::Args),
}

/// Runs it.
///
/// # Errors
///
/// If a check fails.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Gpu(args) => gpu::run(args),
        Command::Serve(args) => serve::run(args),
        Command::Validate(args) => validate::run(args),
    }
}
