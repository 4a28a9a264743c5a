//! `wattlab simulate calibrate`: a network's batches, measured once.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use inference_sim::{Calibration, Executor, Fit, Observation, SimulationConfig, size_rows};
use meter::{Meter, SpanReport};
use models::vision::{VisionError, architectures};
use record::{Origin, Watts};

use super::network::Network;
use crate::{Failure, Interrupt, config::unknown_key, output, progress};

/// Arguments of `wattlab simulate calibrate`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// torchvision's name of the network.
    #[arg(long, value_name = "NAME")]
    arch: String,
    /// Batch sizes.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16,32")]
    batches: Vec<usize>,
    /// Side of the square images.
    #[arg(long, value_name = "PIXELS", default_value_t = 224)]
    side: usize,
    /// Measurements of each size, in turns.
    #[arg(long, default_value_t = 5)]
    repetitions: u32,
    /// Least duration of a measurement: small batches are repeated in it.
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    seconds: f64,
    /// Where the description goes; NAME.toml if left out.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Read this folder in place of `/sys`.
    #[arg(long, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Load a probe from a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
    /// Load every probe of a folder.
    #[arg(long, value_name = "DIR")]
    plugin_dir: Option<PathBuf>,
    /// Print what was written as one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If the network or a size is unknown, or nothing can be measured or written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    check(args).map_err(Failure::BadInput)?;
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{}.toml", args.arch)));
    let meter = crate::work::meter(args.sysfs.as_deref(), &args.plugin, args.plugin_dir.as_deref())
        .map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let config = measure(args, &meter, &interrupt)?;
    let text = toml::to_string(&config).map_err(Failure::run_time)?;
    let header = format!(
        "# Written by `wattlab simulate calibrate --arch {}`: edit `arrivals` and `batching`,\n\
         # then `wattlab simulate` or `wattlab simulate tune` it.\n",
        args.arch
    );
    output::write_whole(&out, (header + &text).as_bytes())
        .with_context(|| format!("failed to write `{}`; choose another by `--out`", out.display()))
        .map_err(Failure::BadInput)?;
    progress::line(&format!("written: {}", out.display()));
    if args.json {
        return output::print_json(&config);
    }
    for line in table(&config) {
        output::print(&line);
    }
    Ok(())
}

fn check(args: &Args) -> anyhow::Result<()> {
    let names = || architectures().iter().map(|it| it.name);
    let Some(known) = architectures().iter().find(|it| it.name == args.arch) else {
        let near = unknown_key::nearest(&args.arch, names());
        let near = near.map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
        let names = names().collect::<Vec<_>>().join(", ");
        return Err(anyhow!("`--arch` is `{}`: expected one of {names}{near}", args.arch));
    };
    let different = {
        let mut sizes = args.batches.clone();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.len() > 1 && sizes[0] > 0
    };
    if !different {
        let found = &args.batches;
        return Err(anyhow!("`--batches` is {found:?}: expected two or more sizes, from 1"));
    }
    known.takes(args.side, args.side).with_context(|| format!("`--side` is {}", args.side))?;
    if args.repetitions == 0 {
        return Err(anyhow!("`--repetitions` is 0: expected at least 1"));
    }
    if !(args.seconds.is_finite() && (0.0..=3600.0).contains(&args.seconds)) {
        return Err(anyhow!("`--seconds` is {}: expected 0 to 3600", args.seconds));
    }
    Ok(())
}

fn measure(args: &Args, meter: &Meter, interrupt: &Interrupt) -> Result<SimulationConfig, Failure> {
    let mut network = Network::new(&args.arch, args.side).map_err(Failure::run_time)?;
    let mut observations = Vec::new();
    let mut origins = Vec::new();
    let idle = idle(meter, interrupt)?;
    for repetition in 0..args.repetitions {
        // To and fro, so that drift does not pass for an effect of the size.
        let mut sizes = args.batches.clone();
        if repetition % 2 == 1 {
            sizes.reverse();
        }
        for size in sizes {
            let mut serve = || network.serve(0..size);
            serve().map_err(Failure::run_time)?;
            let (batches, span) = repeat(meter, interrupt, args.seconds, &mut serve)?;
            let each = f64::from(batches).recip();
            origins.extend(span.total.map(|it| it.origin));
            observations.push(Observation {
                size,
                service: span.duration * each,
                energy: span.total.map(|it| it.joules * each),
            });
        }
        progress::line(&format!("calibrate: {} of {} rounds", repetition + 1, args.repetitions));
    }
    let points = |value: &dyn Fn(&Observation) -> Option<f64>| -> Vec<(f64, f64)> {
        let each = observations.iter().filter_map(|it| Some((it.size as f64, value(it)?)));
        each.filter(|point| point.1 > 0.0).collect()
    };
    let time = Fit::new(&points(&|it| Some(it.service.0)))
        .context("the batches took no time that could be measured")
        .map_err(Failure::RunTime)?;
    let calibration = Calibration {
        network: args.arch.clone(),
        image_side: args.side,
        machine: crate::environment::environment(meter.probe_uses()).machine.cpu,
        energy_origin: origins.into_iter().reduce(Origin::and),
        time,
        energy: Fit::new(&points(&|it| Some(it.energy?.0))),
        sizes: size_rows(&observations),
    };
    Ok(calibration.describe(idle))
}

/// The power of the machine while nothing is served; `None` where nothing tells.
fn idle(meter: &Meter, interrupt: &Interrupt) -> Result<Option<Watts>, Failure> {
    let span = meter.span("idle");
    for _ in 0..20 {
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let span = span.end();
    Ok(span.total.map(|it| it.joules / span.duration))
}

/// Serves batches for at least so many seconds under one span.
fn repeat(
    meter: &Meter,
    interrupt: &Interrupt,
    seconds: f64,
    serve: &mut dyn FnMut() -> Result<(), VisionError>,
) -> Result<(u32, SpanReport), Failure> {
    let span = meter.span("batches");
    let start = Instant::now();
    let mut batches = 0;
    loop {
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        serve().map_err(Failure::run_time)?;
        batches += 1;
        if start.elapsed().as_secs_f64() >= seconds {
            return Ok((batches, span.end()));
        }
    }
}

fn table(config: &SimulationConfig) -> Vec<String> {
    let Some(calibration) = &config.calibration else { return Vec::new() };
    let spread = |mean: f64, sd: Option<f64>| {
        sd.map_or_else(String::new, |sd| format!(" ± {:.1} %", 100.0 * sd / mean))
    };
    let per_request = |joules: f64, size: usize| joules / size as f64;
    let mut lines =
        vec![format!("{:>6} {:>20} {:>24} {:>12}", "batch", "time", "energy", "J/request")];
    for row in &calibration.sizes {
        let time = format!("{:.5} s{}", row.mean_s, spread(row.mean_s, row.sd_s));
        let energy = row.mean_j.map(|it| format!("{it:.4} J{}", spread(it, row.sd_j)));
        let each = row.mean_j.map(|it| format!("{:.4}", per_request(it, row.size)));
        let none = || "none".to_owned();
        let (energy, each) = (energy.unwrap_or_else(none), each.unwrap_or_else(none));
        lines.push(format!("{:>6} {time:>20} {energy:>24} {each:>12}", row.size));
    }
    let fit = |fit: &Fit, unit: &str| {
        let interval = |it: Option<[f64; 2]>| {
            it.map_or_else(String::new, |[low, high]| format!(" [{low:.5}, {high:.5}]"))
        };
        format!(
            "{:.5}{} {unit} + n · {:.5}{} {unit}, within {:.1} % of every mean",
            fit.base,
            interval(fit.base_ci95),
            fit.per_item,
            interval(fit.per_item_ci95),
            100.0 * fit.worst_relative
        )
    };
    lines.push(format!("t(n) = {}", fit(&calibration.time, "s")));
    if let Some(energy) = &calibration.energy {
        let origin = calibration.energy_origin.map_or("", Origin::word);
        lines.push(format!("E(n) = {} ({origin})", fit(energy, "J")));
    }
    if let Some(power) = &config.power {
        lines.push(format!("idle: {:.2} W", power.idle.0));
    }
    lines
}
