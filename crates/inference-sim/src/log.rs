//! Every request of a simulation, as CSV.

use std::io::{self, Write};

use record::BatchTimes;

use crate::{
    config::SimulationConfig,
    engine::{Begun, Observer},
    error::ConfigError,
    simulation::observe,
};

/// Why a log could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The description cannot be simulated.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The log cannot be written.
    #[error("the request log could not be written")]
    Write(#[from] io::Error),
}

/// Simulates a queue and writes a line for each request, those of the warm-up too, in the order in
/// which they are served or lost:
/// `request,model,arrival_s,start_s,end_s,batch_size,outcome`, numbers from 0, times as short as
/// they can be read back exactly. The bytes depend on the description alone.
///
/// # Errors
/// [`LogError`] for a description that cannot be simulated or a place that cannot be written.
pub fn request_log(config: &SimulationConfig, out: impl Write) -> Result<(), LogError> {
    let mut log = Log { out, failed: Ok(()) };
    log.line(format_args!("request,model,arrival_s,start_s,end_s,batch_size,outcome"));
    observe(config, &mut log)?;
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
    fn arrival(&mut self, _: usize, _: f64, _: impl Iterator<Item = Begun>) {}

    fn batch(&mut self, model: usize, batch: &Begun, requests: impl Iterator<Item = (usize, f64)>) {
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
}
