//! `wattlab measure -- CMD`: what a command costs.

mod child;
mod grid;
mod tell;

use std::{fs::File, io::Write, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, anyhow};
use meter::{Estimator, Meter};
use record::Origin;

use self::{grid::Grid, tell::Told};
use crate::{
    Failure, output, progress,
    sensing::{Sensing, milliseconds, seconds},
};

/// Arguments of `wattlab measure`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Time between two samples, in milliseconds.
    #[arg(long, default_value = "100", value_name = "MS", value_parser = milliseconds)]
    interval: Duration,
    #[command(flatten)]
    sensing: Sensing,
    /// First watch the machine at rest for so many seconds, and also tell the energy above that.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle: Option<Duration>,
    /// Also tell grams of CO2 equivalent, at this country's yearly mean (ISO 3166 code).
    #[arg(long, value_name = "CODE")]
    region: Option<String>,
    /// Or at what the grid was meanwhile: lines of `SECONDS_SINCE_1970,GRAMS_PER_KWH`.
    #[arg(long, value_name = "FILE", conflicts_with = "region")]
    intensity: Option<PathBuf>,
    /// What the data center draws over what its machines do (power usage effectiveness).
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR")]
    pue: f64,
    /// Append a line to an `emissions.csv` with CodeCarbon's columns.
    #[arg(long, value_name = "FILE")]
    emissions: Option<PathBuf>,
    /// Write a time series: a line per sample and channel.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Refuse to run the command unless its energy can be had this way.
    #[arg(long, value_name = "ORIGIN")]
    require: Option<Required>,
    /// Print one JSON document on standard output; what the command prints there goes to standard
    /// error.
    #[arg(long)]
    json: bool,
    /// Write the JSON document to a file; the command keeps its standard output.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    output: Option<PathBuf>,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

/// What `--require` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Required {
    /// A sensor.
    Measured,
}

/// Runs it; the answer is the command's own exit code, or 128 and the number of the signal that
/// ended it.
///
/// # Errors
///
/// If the command cannot be started, a file cannot be written, or no sensor is there and one is
/// required; the command was not run then.
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
    // A command's CPU time is its own and that of all it starts.
    builder = builder.estimator(Estimator::for_this_processor().with_children());
    if let Some(series) = series {
        builder = builder.observer(tell::series(series)?);
    }
    let meter = builder.start().map_err(Failure::bad_input)?;
    require(args.require, &meter)?;
    let idle = match args.idle {
        Some(duration) => {
            progress::line(&format!(
                "watching the machine at rest for {} s",
                duration.as_secs_f64()
            ));
            meter.idle(duration)
        }
        None => None,
    };
    let ended = child::run(&meter, &args.command, args.json)?;
    let carbon = grid.weigh(&ended.report)?;
    let told = Told { command: &args.command, ended: &ended, idle, carbon: carbon.as_ref() };
    if args.json {
        output::print_json(&told.json())?;
    } else {
        progress::line(&told.table());
    }
    if let Some(mut document) = document {
        let text = serde_json::to_string_pretty(&told.json()).map_err(Failure::run_time)?;
        writeln!(document, "{text}").map_err(Failure::run_time)?;
    }
    if let Some(path) = &args.emissions {
        let region = args.region.as_deref().unwrap_or_default();
        grid::append(path, &ended.report, carbon.as_ref(), region)?;
    }
    Ok(ended.exit_code())
}

fn require(required: Option<Required>, meter: &Meter) -> Result<(), Failure> {
    let Some(Required::Measured) = required else { return Ok(()) };
    let uses = meter.probe_uses();
    if uses.iter().any(|it| it.method.origin() == Origin::Measured) {
        return Ok(());
    }
    let mut text =
        "--require measured: no sensor can be read here, the command was not run".to_owned();
    for probe in meter.probes().iter().filter(|it| !it.available) {
        for part in probe.reason.iter().chain(&probe.remedy) {
            text.push_str(&format!("\n  {}: {part}", probe.probe));
        }
    }
    Err(Failure::bad_input(anyhow!(text)))
}
