//! `wattlab measure -- CMD`: measures the energy of a command.

mod child;
mod compare;
mod destination;
mod disclose;
mod emissions;
mod gathered;
mod grid;
mod job;
mod program;
mod repeat;
mod result;
mod runs;
mod series;
mod signals;
mod summary;
mod table;
mod task;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::anyhow;
use meter::{Estimator, Meter};
use record::Origin;
use units::limits;

use self::{
    disclose::DiscloseArgs,
    job::{Closing, JobArgs},
    program::Program,
    repeat::Repeat,
    task::Task,
};
use crate::{
    Failure, progress,
    sensing::{Sensing, milliseconds, seconds},
};

/// Arguments of `wattlab measure`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Sampling interval, in milliseconds.
    #[arg(long, default_value = "100", value_name = "MS", value_parser = milliseconds)]
    interval: Duration,
    #[command(flatten)]
    sensing: Sensing,
    /// Measure idle power for this many seconds first, and also report the energy above idle.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,
    /// Also report grams of CO2 equivalent, at this country's yearly mean (ISO 3166 code).
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Also report grams of CO2 equivalent, from a time series of the grid: a file with lines of
    /// `SECONDS_SINCE_1970,GRAMS_PER_KWH`. Each value holds until the next, and the last one for six
    /// hours.
    #[arg(long, value_name = "FILE", conflicts_with = "region")]
    intensity: Option<PathBuf>,
    /// Power usage effectiveness: the power of the data center divided by that of its machines.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = limits::PUE.parser())]
    pue: f64,
    /// Append a line to an `emissions.csv` with CodeCarbon's columns and the origin of each energy. A
    /// file with the columns of another version gets those that it lacks.
    #[arg(long, value_name = "FILE")]
    emissions: Option<PathBuf>,
    /// Write a time series as CSV: a line for each sample and channel.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Do not run the command unless its energy has this origin.
    #[arg(long, value_name = "ORIGIN")]
    require: Option<Required>,
    /// Print one JSON document on standard output. The command's own standard output goes to standard
    /// error.
    #[arg(long)]
    json: bool,
    /// Write the JSON document to a file. The command keeps its standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// The command and its arguments. A job can be measured without one.
    #[arg(
        last = true,
        required_unless_present_any = ["compare", "cgroup", "slurm_job"],
        value_name = "CMD"
    )]
    command: Vec<OsString>,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    disclose: DiscloseArgs,
}

/// An origin that `--require` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Required {
    /// Measured by a sensor.
    Measured,
}

/// Runs it. Returns the command's exit code, or 128 plus the number of the signal that ended it.
///
/// # Errors
///
/// If the command cannot be started, a file cannot be written, or a sensor is required and there is
/// none. All of this is checked before the command runs; files are written after the result was printed,
/// and one that then fails is told and does not change a command's own exit code.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let programs = args.programs();
    programs.iter().try_for_each(Program::check)?;
    args.one_run_only()?;
    let job = args.job.find(args.sensing.sysfs.as_deref())?;
    let mut task = Task::check(args)?;
    let mut builder = args.sensing.builder()?.interval(args.interval).attribute();
    // The CPU time of a command includes that of all processes that it starts.
    let workload = Closing(args.job.workload(job.as_ref())?);
    builder = builder.estimator(Estimator::for_this_processor()).workload(workload.0.clone());
    if let Some(path) = &args.csv {
        builder = builder.observer(task.open_series(path)?);
    }
    let meter = builder.start().map_err(Failure::bad_input)?;
    require(args.require, &meter)?;
    job.as_ref().map_or(Ok(()), |job| job.check(&meter))?;
    task.tell_notes();
    let idle = match args.idle {
        Some(duration) => {
            progress::line(&format!("measuring idle power for {} s", duration.as_secs_f64()));
            meter.idle(duration)
        }
        None => None,
    };
    match (programs.as_slice(), &job) {
        ([a, b], _) => task.compare(&meter, &[a.clone(), b.clone()], idle),
        ([program], _) if args.repeat.is_repeated() => task.repeat(&meter, program, idle),
        ([program], job) => task.once(&meter, program, idle, job.as_ref()),
        ([], Some(job)) => task.without_command(&meter, idle, job),
        _ => Err(Failure::bad_input(anyhow!("give a command after `--`"))),
    }
}

impl Args {
    /// Fails if a flag that is about one run is given with several.
    fn one_run_only(&self) -> Result<(), Failure> {
        let several = self.repeat.is_repeated() || !self.repeat.compare.is_empty();
        match self.job.given().or(self.disclose.given()) {
            Some(flag) if several => Err(Failure::bad_input(anyhow!(
                "{flag} measures one run; leave out `--compare` and the flags of repeated runs"
            ))),
            _ => Ok(()),
        }
    }

    /// One command, or the two that are compared; none if a job is measured without one.
    fn programs(&self) -> Vec<Program> {
        match self.repeat.compare.as_slice() {
            [] if self.command.is_empty() => Vec::new(),
            [] => vec![Program::Arguments(self.command.clone())],
            lines => lines.iter().cloned().map(Program::Shell).collect(),
        }
    }
}

fn require(required: Option<Required>, meter: &Meter) -> Result<(), Failure> {
    let Some(Required::Measured) = required else { return Ok(()) };
    let uses = meter.probe_uses();
    if uses.iter().any(|channel| channel.method.origin() == Origin::Measured) {
        return Ok(());
    }
    let mut text =
        "--require measured: no sensor can be read, so the command was not run".to_owned();
    for probe in meter.probes().iter().filter(|probe| !probe.available) {
        for part in probe.reason.iter().chain(&probe.remedy) {
            text.push_str(&format!("\n  {}: {part}", probe.probe));
        }
    }
    Err(Failure::bad_input(anyhow!(text)))
}
