//! `wattlab simulate tune`: finds the batching policy with the fewest joules.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use inference_sim::{BatchTuning, PolicyCandidate, SimulationConfig, limits};
use meter::Meter;
use record::Origin;
use report::{Axis, Figure, Plot, Point, PointPlot, PointSeries};

use serde::Serialize;

use super::{description, live};
use crate::{Failure, Interrupt, output, progress, sensing::Sensing};

/// Arguments of `wattlab simulate tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Description of the queue or of the generative model, a TOML file with `power`; its policy, or its
    /// batch limit, is ignored.
    pub(super) file: PathBuf,
    /// Seconds that 99 % of the responses must not exceed; for queues of batches.
    #[arg(long, value_name = "SECONDS", value_parser = limits::POSITIVE_DURATION_S.parser())]
    p99: Option<f64>,
    /// Seconds to the first token that 99 % of the requests must not exceed; for generative models.
    #[arg(long, value_name = "SECONDS", value_parser = limits::POSITIVE_DURATION_S.parser())]
    pub(super) ttft: Option<f64>,
    /// Seconds per token after the first that 99 % of the requests must not exceed; for generative models.
    #[arg(long, value_name = "SECONDS", value_parser = limits::POSITIVE_DURATION_S.parser())]
    pub(super) tpot: Option<f64>,
    /// Requests per second; overrides the file's `arrivals.rate`.
    #[arg(long, value_parser = limits::RATE_PER_S.parser())]
    pub(super) rate: Option<f64>,
    /// Set the rate to this share of the highest rate at which single requests can be served.
    #[arg(
        long,
        value_name = "SHARE",
        conflicts_with = "rate",
        value_parser = limits::LOAD.parser()
    )]
    load: Option<f64>,
    /// The largest batch to try; by default the file's `batching.size` or `batching.max_num_seqs`.
    #[arg(long, value_name = "N", value_parser = limits::TUNED_BATCH.parser::<usize>())]
    pub(super) largest: Option<usize>,
    /// Number of threads to simulate on; the result does not depend on it.
    #[arg(long, value_name = "N", value_parser = limits::THREADS.parser::<NonZeroUsize>())]
    pub(super) threads: Option<NonZeroUsize>,
    /// Also serve the best policy and single requests with the real network, by turns, for this many
    /// seconds each.
    #[arg(long, value_name = "SECONDS", value_parser = limits::POSITIVE_WAIT_S.parser())]
    live: Option<f64>,
    #[command(flatten)]
    sensing: Sensing,
    /// Write `frontier.csv` and `frontier.svg` into this folder; of a generative model `batch-limits.csv` and
    /// `batch-limits.svg`.
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    /// The first of the options that only queues of batches have.
    pub(super) fn of_batches(&self) -> Option<&'static str> {
        [
            (self.p99.is_some(), "--p99"),
            (self.load.is_some(), "--load"),
            (self.live.is_some(), "--live"),
        ]
        .into_iter()
        .find_map(|(given, name)| given.then_some(name))
    }
}

/// Runs the command.
///
/// # Errors
///
/// If the description cannot be tuned or the folder cannot be written.
pub(super) fn run(mut config: SimulationConfig, args: &Args) -> Result<(), Failure> {
    let p99 = args.p99.filter(|_| args.ttft.is_none() && args.tpot.is_none()).ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "simulation `{}` describes a queue of batches: give `--p99`, and neither `--ttft` nor `--tpot`, \
             which are for generative models (with `[tokens]`)",
            args.file.display()
        ))
    })?;
    if let Some(rate) = args.rate {
        config.arrivals.rate = Some(rate);
    }
    if let Some(load) = args.load {
        let bad = |error: inference_sim::ConfigError| {
            Failure::bad_input(description::in_file(&args.file, error))
        };
        let single = config.service.law().map_err(bad)?.capacity(1, 1);
        config.arrivals.rate = Some(load * config.servers.count as f64 * single);
    }
    let largest = args.largest.or(config.batching.size()).unwrap_or(32);
    let largest = limits::TUNED_BATCH.check(largest).map_err(|error| {
        let error = anyhow!(error.of_key("batching.size")).context("give `--largest`");
        Failure::BadInput(error)
    })?;
    let threads = args.threads.or(std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let tuning = inference_sim::tune_batching(&config, p99, largest, threads)
        .map_err(|error| description::in_file(&args.file, error))
        .map_err(Failure::bad_input)?;
    let live = match args.live {
        Some(seconds) => {
            let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
            Some(verify(&config, &args.file, &tuning, seconds, &meter)?)
        }
        None => None,
    };
    let origin = config
        .calibration
        .and_then(|calibration| calibration.energy_origin)
        .unwrap_or(Origin::Estimated);
    if let Some(folder) = &args.out {
        write(&tuning, origin, folder)
            .with_context(|| format!("failed to write into `{}`", folder.display()))
            .map_err(Failure::BadInput)?;
    }
    if args.json {
        let live = live.as_ref();
        return output::print_json(&Document { tuning: &tuning, energy_origin: origin, live });
    }
    output::print(&format!(
        "{:<34} {:>12} {:>14} {:>12}",
        "frontier", "p99", "J/request", "mean batch"
    ));
    for candidate in &tuning.frontier {
        output::print(&row(candidate));
    }
    output::print(&format!(
        "single requests (joules {}):\n{}",
        origin.word(),
        row(&tuning.batch_1)
    ));
    match (&tuning.best, tuning.saving) {
        (Some(best), saving) => {
            let saved = saving.map_or_else(
                || "single requests cannot keep up".to_owned(),
                |saving| format!("{:.1} % fewer joules than single requests", 100.0 * saving),
            );
            output::print(&format!(
                "best within {} s: {saved}\n{}",
                tuning.objective_p99_s,
                row(best)
            ));
        }
        (None, _) => progress::line(&format!(
            "warning: no policy answers 99 % of the requests within {} s; raise `--p99` or lower the rate",
            tuning.objective_p99_s
        )),
    }
    if let Some(live) = &live {
        let row = |name: &str, served: &LiveMeans| {
            let joules = served
                .energy_j_per_request
                .map_or_else(|| "none".to_owned(), |joules| format!("{joules:.5}"));
            output::print(&format!(
                "{name:<34} {:>10.5} s {joules:>12} J {:>12.2}",
                served.p99_response_s, served.mean_batch
            ));
        };
        let origin = live.energy_origin.map_or("none", Origin::word);
        output::print(&format!("live (joules {origin}):"));
        row("single requests", &live.batch_1);
        row("best", &live.best);
        if let Some(saving) = live.saving {
            output::print(&format!("{:.1} % fewer joules than single requests", 100.0 * saving));
        }
    }
    Ok(())
}

/// The tuning and, with `--live`, the served queues.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    tuning: &'a BatchTuning,
    /// The origin of the joules in the description.
    energy_origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<&'a Verified>,
}

/// Single requests and the best policy, served live.
#[derive(Serialize)]
struct Verified {
    batch_1: LiveMeans,
    best: LiveMeans,
    /// The origin of their joules; `None` without joules.
    energy_origin: Option<Origin>,
    /// The share of the joules of single requests that the best policy saves.
    saving: Option<f64>,
}

/// Means over the turns, and the largest p99.
#[derive(Serialize)]
struct LiveMeans {
    rate_rps: Option<f64>,
    requests: usize,
    p99_response_s: f64,
    mean_response_s: f64,
    mean_batch: f64,
    energy_j_per_request: Option<f64>,
}

/// The two are served by turns, so that drift of the machine does not look like an effect of the
/// policy.
const TURNS: u64 = 3;

fn verify(
    config: &SimulationConfig,
    file: &Path,
    tuning: &BatchTuning,
    seconds: f64,
    meter: &Meter,
) -> Result<Verified, Failure> {
    let mean_rate = config
        .arrivals
        .process()
        .map_err(|error| Failure::bad_input(description::in_file(file, error)))?
        .mean_rate();
    let requests = (seconds * mean_rate / TURNS as f64).ceil();
    if !(requests.is_finite() && (1.0..1e9).contains(&requests)) {
        return Err(Failure::BadInput(anyhow!(
            "`--live` is {seconds} s, in which {requests} requests arrive, expected 1 to 1e9 requests"
        )));
    }
    let best = tuning.best.as_ref().ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "`--live` needs a policy that answers 99 % of the requests within {} s, and there is none; \
             raise `--p99`",
            tuning.objective_p99_s
        ))
    })?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut network = live::network(config, file)?;
    let by = live::By { meter, interrupt: &interrupt, warmup: live::WARMUP };
    let mut found = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        for (found, candidate) in found.iter_mut().zip([&tuning.batch_1, best]) {
            let config = config
                .clone()
                .with_seed(config.seed.wrapping_add(turn))
                .with_requests(requests as usize, 0)
                .with_batching(candidate.batching.clone());
            let document = live::serve_beside(&config, file, &mut network, &by)?;
            found.push(document.live);
        }
    }
    let energies = found.iter().flatten().filter_map(|live| live.energy);
    let energy_origin = energies.map(|energy| energy.origin).reduce(Origin::and);
    let [batch_1, best] = found.map(|turns| {
        let n = turns.len() as f64;
        let mean = |value: fn(&live::Live) -> f64| turns.iter().map(value).sum::<f64>() / n;
        let joules: Option<Vec<f64>> = turns.iter().map(|live| live.energy_j_per_request).collect();
        LiveMeans {
            rate_rps: config.arrivals.rate,
            requests: turns.len() * requests as usize,
            p99_response_s: turns.iter().map(|live| live.p99_response_s).fold(0.0, f64::max),
            mean_response_s: mean(|live| live.mean_response_s),
            mean_batch: mean(|live| live.mean_batch),
            energy_j_per_request: joules.map(|joules| joules.iter().sum::<f64>() / n),
        }
    });
    let saving = best.energy_j_per_request.zip(batch_1.energy_j_per_request);
    let saving = saving.map(|(best, single)| 1.0 - best / single);
    Ok(Verified { batch_1, best, energy_origin, saving })
}

fn row(candidate: &PolicyCandidate) -> String {
    let number = |value: Option<f64>| {
        value.map_or_else(|| "unstable".to_owned(), |number| format!("{number:.5}"))
    };
    format!(
        "{:<34} {:>10} s {:>12} J {:>12.2}",
        candidate.batching.to_string(),
        number(candidate.p99_response_s),
        number(candidate.energy_j_per_request),
        candidate.mean_batch
    )
}

fn write(tuning: &BatchTuning, origin: Origin, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut csv = String::from(
        "policy,p99_response_s,energy_j_per_request,mean_batch,on_frontier,energy_origin\n",
    );
    for candidate in &tuning.candidates {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        csv.push_str(&format!(
            "\"{}\",{},{},{},{},{}\n",
            candidate.batching,
            number(candidate.p99_response_s),
            number(candidate.energy_j_per_request),
            candidate.mean_batch,
            tuning.frontier.contains(candidate),
            origin.word()
        ));
    }
    output::write_whole(&folder.join("frontier.csv"), csv.as_bytes())?;
    let points = |candidates: &[PolicyCandidate], named: bool| {
        let point = |candidate: &PolicyCandidate| {
            Some(Point {
                x: candidate.p99_response_s?,
                y: candidate.energy_j_per_request?,
                x_interval: None,
                y_interval: None,
                label: if named { candidate.batching.to_string() } else { String::new() },
            })
        };
        candidates.iter().filter_map(point).collect::<Vec<_>>()
    };
    let others: Vec<_> = tuning
        .candidates
        .iter()
        .filter(|candidate| !tuning.frontier.contains(candidate))
        .cloned()
        .collect();
    let figure = Figure {
        id: "frontier".to_owned(),
        title: "Energy against response".to_owned(),
        caption: "Simulated batching policies; no policy beats those on the frontier in both."
            .to_owned(),
        alt: "Energy per request against the 99th percentile of responses, by policy.".to_owned(),
        plot: Plot::Points(PointPlot {
            x: Axis::new("p99 response", "s").log(),
            y: Axis::energy("energy", "J/request", origin).from_zero(),
            series: vec![
                PointSeries {
                    name: "frontier".to_owned(),
                    points: points(&tuning.frontier, true),
                    faded: false,
                },
                PointSeries {
                    name: "others".to_owned(),
                    points: points(&others, false),
                    faded: true,
                },
            ],
            trends: Vec::new(),
        }),
    };
    output::write_whole(&folder.join("frontier.svg"), report::svg(&figure).as_bytes())?;
    Ok(())
}
