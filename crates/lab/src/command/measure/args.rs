//! Arguments of `wattlab measure`.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::anyhow;
use units::limits;

use super::{disclose::DiscloseArgs, job::JobArgs, program::Program, repeat::Repeat};
use crate::{
    Failure,
    sensing::{Sensing, milliseconds, seconds},
};

/// Arguments of `wattlab measure`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Sampling interval, in milliseconds.
    #[arg(long, default_value = "100", value_name = "MS", value_parser = milliseconds)]
    pub(super) interval: Duration,
    #[command(flatten)]
    pub(super) sensing: Sensing,
    /// Measure idle power for this many seconds first, and also report the energy above idle.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) idle: Option<Duration>,
    /// Also report grams of CO2 equivalent, at this country's yearly mean (ISO 3166 code).
    #[arg(long, value_name = "CODE")]
    pub(super) region: Option<String>,
    /// Also report grams of CO2 equivalent, from a time series of the grid: a file with lines of
    /// `SECONDS_SINCE_1970,GRAMS_PER_KWH`. Each value holds until the next, and the last one for six
    /// hours.
    #[arg(long, value_name = "FILE", conflicts_with = "region")]
    pub(super) intensity: Option<PathBuf>,
    /// Power usage effectiveness: the power of the data center divided by that of its machines.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = limits::PUE.parser())]
    pub(super) pue: f64,
    /// Append a line to an `emissions.csv` with CodeCarbon's columns and the origin of each energy. A
    /// file with the columns of another version gets those that it lacks.
    #[arg(long, value_name = "FILE")]
    pub(super) emissions: Option<PathBuf>,
    /// Write a time series as CSV: a line for each sample and channel.
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Do not run the command unless its energy has this origin.
    #[arg(long, value_name = "ORIGIN")]
    pub(super) require: Option<Required>,
    /// Print one JSON document on standard output. The command's own standard output goes to standard
    /// error.
    #[arg(long)]
    pub(super) json: bool,
    /// Write the JSON document to a file. The command keeps its standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub(super) output: Option<PathBuf>,
    /// The command and its arguments. A job can be measured without one.
    #[arg(
        last = true,
        required_unless_present_any = ["compare", "cgroup", "slurm_job"],
        value_name = "CMD"
    )]
    pub(super) command: Vec<OsString>,
    #[command(flatten)]
    pub(super) repeat: Repeat,
    #[command(flatten)]
    pub(super) job: JobArgs,
    #[command(flatten)]
    pub(super) disclose: DiscloseArgs,
}

/// An origin that `--require` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Required {
    /// Measured by a sensor.
    Measured,
}

impl Args {
    /// Fails if a flag that is about one run is given with several.
    pub(super) fn one_run_only(&self) -> Result<(), Failure> {
        let several = self.repeat.is_repeated() || !self.repeat.compare.is_empty();
        match self.job.given().or(self.disclose.given()) {
            Some(flag) if several => Err(Failure::bad_input(anyhow!(
                "{flag} measures one run; leave out `--compare` and the flags of repeated runs"
            ))),
            _ => Ok(()),
        }
    }

    /// One command, or the two that are compared; none if a job is measured without one.
    pub(super) fn programs(&self) -> Vec<Program> {
        match self.repeat.compare.as_slice() {
            [] if self.command.is_empty() => Vec::new(),
            [] => vec![Program::Arguments(self.command.clone())],
            lines => lines.iter().cloned().map(Program::Shell).collect(),
        }
    }
}
