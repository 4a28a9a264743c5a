//! `wattlab measure -- CMD`: measures the energy of a command.

mod child;
mod grid;
mod result;

use std::{fs::File, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use meter::{Estimator, Meter};
use record::Origin;
use units::limits;

use self::{grid::Grid, result::Measurement};
use crate::{
    Failure, output, progress,
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
    /// `SECONDS_SINCE_1970,GRAMS_PER_KWH`.
    #[arg(long, value_name = "FILE", conflicts_with = "region")]
    intensity: Option<PathBuf>,
    /// Power usage effectiveness: the power of the data center divided by that of its machines.
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = limits::PUE.parser())]
    pue: f64,
    /// Append a line to an `emissions.csv` with CodeCarbon's columns and the origin of each energy.
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
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
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
/// none. In the last case the command is not run.
pub(crate) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let series = args.csv.as_ref().map(|path| {
        File::create(path)
            .with_context(|| format!("--csv: failed to create `{}`", path.display()))
            .map_err(Failure::bad_input)
    });
    let series = series.transpose()?;
    let document = args.output.as_ref().map(|path| {
        File::create(path)
            .with_context(|| format!("--output: failed to create `{}`", path.display()))
            .map_err(Failure::bad_input)
    });
    let document = document.transpose()?;
    let grid = Grid::new(args.region.as_deref(), args.intensity.as_deref(), args.pue)?;
    let mut builder = args.sensing.builder()?.interval(args.interval).attribute();
    // The CPU time of a command includes that of all processes that it starts.
    builder = builder.estimator(Estimator::for_this_processor().with_children());
    if let Some(series) = series {
        builder = builder.observer(result::series(series)?);
    }
    let meter = builder.start().map_err(Failure::bad_input)?;
    require(args.require, &meter)?;
    let idle = match args.idle {
        Some(duration) => {
            progress::line(&format!("measuring idle power for {} s", duration.as_secs_f64()));
            meter.idle(duration)
        }
        None => None,
    };
    let measured = child::run(&meter, &args.command, args.json)?;
    let carbon = grid.weigh(&measured.report)?;
    let result =
        Measurement { command: &args.command, measured: &measured, idle, carbon: carbon.as_ref() };
    if args.json {
        output::print_json(&result.json())?;
    } else {
        progress::line(&result.table());
    }
    if let Some(mut document) = document {
        let text = serde_json::to_string_pretty(&result.json()).map_err(Failure::run_time)?;
        writeln!(document, "{text}").map_err(Failure::run_time)?;
    }
    if let Some(path) = &args.emissions {
        let region = args.region.as_deref().unwrap_or_default();
        grid::append(path, &measured.report, carbon.as_ref(), region)?;
    }
    Ok(measured.exit_code())
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
