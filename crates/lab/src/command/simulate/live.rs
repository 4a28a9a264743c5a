//! `wattlab simulate live`: the queue of a description served by its real network, beside its
//! simulation.

use std::path::PathBuf;

use anyhow::anyhow;
use inference_sim::{
    BatchEnergy, Control, Executor, Expected, LiveError, Real, SimulationConfig, SimulationReport,
    serve,
};
use record::{Energy, Serving};
use serde::Serialize;

use super::{description, network::Network};
use crate::{Failure, Interrupt, output, progress};

/// Arguments of `wattlab simulate live`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A description that `wattlab simulate calibrate` wrote.
    file: PathBuf,
    /// Requests to serve, in place of the file's.
    #[arg(long)]
    requests: Option<usize>,
    /// Requests per second, in place of the file's.
    #[arg(long)]
    rate: Option<f64>,
    /// Follow the study's own definitions: a last batch that is not full is dropped from the
    /// figures, and the "wait" it prints is the response.
    #[arg(long, value_name = "STUDY")]
    compat: Option<Compat>,
    /// Read this folder in place of `/sys`.
    #[arg(long, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Load a probe from a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
    /// Load every probe of a folder.
    #[arg(long, value_name = "DIR")]
    plugin_dir: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Compat {
    /// Yarally et al. 2023.
    Yarally,
}

/// What was served, and what the simulation of the same arrivals says.
#[derive(Debug, Serialize)]
struct Document {
    schema: &'static str,
    live: Live,
    simulated: Box<SimulationReport>,
    /// Live over simulated.
    ratio: Ratio,
}

/// Times count from the intended arrivals: a server that stalls delays no request silently.
#[derive(Debug, Serialize)]
struct Live {
    requests: usize,
    mean_wait_s: f64,
    mean_response_s: f64,
    p50_response_s: f64,
    p99_response_s: f64,
    max_wait_s: f64,
    mean_batch: f64,
    utilisation: f64,
    duration_s: f64,
    energy: Option<Energy>,
    energy_j_per_request: Option<f64>,
    /// Of the idle power before the run, over its duration.
    idle_j: Option<f64>,
    /// Under `--compat yarally`: what the study prints as the wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    average_wait_s: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Ratio {
    mean_response: Option<f64>,
    energy_per_request: Option<f64>,
}

/// Runs it.
///
/// # Errors
///
/// If the description names no network or cannot be served.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut config = description::read(&args.file).map_err(Failure::bad_input)?;
    if let Some(rate) = args.rate {
        config.arrivals.rate = Some(rate);
    }
    config.requests = args.requests.unwrap_or(config.requests);
    config.warmup = 0;
    let calibration = config.calibration.clone().ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "simulation `{}`: `calibration` is missing: it says which network to serve; \
             write the file by `wattlab simulate calibrate`",
            args.file.display()
        ))
    })?;
    let bad = |error| Failure::bad_input(description::in_file(&args.file, error));
    let simulated = Box::new(inference_sim::simulate(&config).map_err(bad)?);
    let process = config.arrivals.process().map_err(bad)?;
    let times: Vec<f64> = process.times(config.seed).take(config.requests).collect();
    let mut network =
        Network::new(&calibration.network, calibration.image_side).map_err(Failure::bad_input)?;
    let meter = crate::work::meter(args.sysfs.as_deref(), &args.plugin, args.plugin_dir.as_deref())
        .map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let law = config.service.law().map_err(bad)?;
    let power = config.power.as_ref().map(inference_sim::PowerConfig::power).transpose();
    let power = power.map_err(bad)?;
    let none = BatchEnergy::power(1.0);
    let expected = Expected {
        rate: process.mean_rate(),
        law: &law,
        energy: power.as_ref().map_or(&none, |it| &it.batch),
        idle_w: power.as_ref().map_or(0.0, |it| it.idle_w),
    };
    let mut policy = config.batching.policy(&expected).map_err(bad)?;
    for _ in 0..3 {
        network.serve(0..policy.max_size()).map_err(Failure::run_time)?;
    }
    let span = meter.span("serve");
    let mut control = |_: &_| if interrupt.is_set() { Control::Stop } else { Control::Continue };
    let served = serve(&times, &mut policy, &mut network, &Real::start(), &mut control);
    let span = span.end();
    let serving = served.map_err(|error| match error {
        LiveError::Stopped(_) => Failure::Interrupted,
        other => Failure::run_time(other),
    })?;
    let idle_j = config.power.as_ref().map(|it| (it.idle * span.duration).0);
    let live = live(&serving, span.total, idle_j, args.compat);
    let ratio = Ratio {
        mean_response: simulated.mean_response.map(|it| live.mean_response_s / it.0),
        energy_per_request: live
            .energy_j_per_request
            .zip(simulated.energy_per_request)
            .map(|(live, simulated)| live / simulated.0),
    };
    let document = Document { schema: "wattlab.simulate-live/1", live, simulated, ratio };
    if args.json {
        return output::print_json(&document);
    }
    print(&document, &config);
    Ok(())
}

fn live(
    serving: &Serving,
    energy: Option<Energy>,
    idle_j: Option<f64>,
    compat: Option<Compat>,
) -> Live {
    let waits: Vec<f64> = serving.waits().collect();
    let mut responses: Vec<f64> = serving.responses().collect();
    let requests = responses.len();
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    // The study drops a last batch that is not full, and stamps after inference.
    let average_wait_s = compat.map(|Compat::Yarally| {
        let largest = serving.batches.iter().map(|it| it.size).max().unwrap_or(1);
        let last = serving.batches.last().map_or(0, |it| it.size);
        let partial = if last < largest && last < requests { last } else { 0 };
        mean(&responses[..requests - partial])
    });
    let mean_response_s = mean(&responses);
    responses.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * requests as f64).ceil() as usize;
        responses.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    let duration_s = serving.makespan().map_or(f64::NAN, |it| it.0);
    let busy_s: f64 = serving.batches.iter().map(|it| it.end_s - it.start_s).sum();
    Live {
        requests,
        mean_wait_s: mean(&waits),
        mean_response_s,
        p50_response_s: quantile(0.5),
        p99_response_s: quantile(0.99),
        max_wait_s: waits.iter().copied().fold(0.0, f64::max),
        mean_batch: requests as f64 / serving.batches.len() as f64,
        utilisation: busy_s / duration_s,
        duration_s,
        energy,
        energy_j_per_request: energy.map(|it| it.joules.0 / requests as f64),
        idle_j,
        average_wait_s,
    }
}

fn print(document: &Document, config: &SimulationConfig) {
    let Document { live, simulated, .. } = document;
    let number = |it: Option<f64>| it.map_or_else(|| "none".to_owned(), |it| format!("{it:.5}"));
    let origin = live.energy.map_or("", |it| it.origin.word());
    output::print(&format!("{:<20} {:>12} {:>12} {:>8}", "", "live", "simulated", "ratio"));
    for (name, live, simulated) in [
        ("mean wait, s", Some(live.mean_wait_s), simulated.mean_wait.map(|it| it.0)),
        ("mean response, s", Some(live.mean_response_s), simulated.mean_response.map(|it| it.0)),
        ("p99 response, s", Some(live.p99_response_s), simulated.p99_response.map(|it| it.0)),
        ("mean batch", Some(live.mean_batch), Some(simulated.mean_batch)),
        ("utilization", Some(live.utilisation), Some(simulated.utilization)),
        ("J/request", live.energy_j_per_request, simulated.energy_per_request.map(|it| it.0)),
    ] {
        let ratio = live.zip(simulated).map(|(live, simulated)| live / simulated);
        let ratio = ratio.map_or_else(String::new, |it| format!("{it:.3}"));
        output::print(&format!(
            "{name:<20} {:>12} {:>12} {ratio:>8}",
            number(live),
            number(simulated)
        ));
    }
    let network = config.calibration.as_ref().map_or("", |it| it.network.as_str());
    progress::line(&format!("{network}, {} requests, joules {origin}", live.requests));
}
