//! The log of all requests of a simulation, as CSV.

use std::io::{self, Write};

use units::BatchTimes;

use crate::{
    config::SimulationConfig,
    engine::{Observer, StartedBatch},
    error::ConfigError,
    policy::{Policy, PolicyContext},
    simulation::{SimulationError, built_in, observe},
};

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The queue cannot be simulated.
    #[error(transparent)]
    Simulation(#[from] SimulationError),
    /// The log cannot be written.
    #[error("failed to write the request log")]
    Write(#[from] io::Error),
}

/// Simulates a queue and writes a line for each request, those of the warm-up too, in the order in
/// which they are served or lost:
/// `request,model,arrival_s,start_s,end_s,batch_size,outcome`, numbers from 0, times as short as
/// they can be read back exactly. The bytes depend on the description alone.
///
/// # Errors
/// [`LogError::Simulation`] for a description that cannot be simulated; [`LogError::Write`] if `out`
/// fails.
pub fn request_log(config: &SimulationConfig, out: impl Write) -> Result<(), LogError> {
    request_log_with(config, out, built_in(config))
}

/// The same with any policy, as [`crate::simulate_with`].
///
/// # Errors
/// As [`request_log`], and as [`crate::simulate_with`].
pub fn request_log_with<P: Policy>(
    config: &SimulationConfig,
    out: impl Write,
    policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError>,
) -> Result<(), LogError> {
    let mut log = Log { out, failed: Ok(()) };
    log.line(format_args!("request,model,arrival_s,start_s,end_s,batch_size,outcome"));
    observe(config, policy, &mut log)?;
    log.failed?;
    Ok(log.out.flush()?)
}

struct Log<W> {
    out: W,
    failed: io::Result<()>,
}

impl<W: Write> Log<W> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        if self.failed.is_ok() {
            self.failed = writeln!(self.out, "{line}");
        }
    }
}

impl<W: Write> Observer for Log<W> {
    fn arrival(&mut self, _: usize, _: f64, _: impl Iterator<Item = StartedBatch>) {}

    fn batch(
        &mut self,
        model: usize,
        batch: &StartedBatch,
        requests: impl Iterator<Item = (usize, f64)>,
    ) {
        let BatchTimes { size, start_s, end_s } = &batch.times;
        for (number, arrival_s) in requests {
            self.line(format_args!("{number},{model},{arrival_s},{start_s},{end_s},{size},served"));
        }
    }

    fn rejected(&mut self, model: usize, number: usize) {
        self.line(format_args!("{number},{model},,,,,rejected"));
    }

    fn dropped(&mut self, model: usize, number: usize) {
        self.line(format_args!("{number},{model},,,,,dropped"));
    }

    fn abandoned(&mut self, model: usize, number: usize) {
        self.line(format_args!("{number},{model},,,,,abandoned"));
    }
}
