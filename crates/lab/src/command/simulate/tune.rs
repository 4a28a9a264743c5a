//! `wattlab simulate tune`: the batch size first.

use std::{
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use inference_sim::{BatchingConfig, Candidate, SimulationConfig, Tuning};
use meter::Meter;
use record::Origin;
use report::{Axis, Figure, Plot, Point, PointPlot, PointSeries};

use serde::Serialize;

use super::{description, live};
use crate::{Failure, Interrupt, output, progress, sensing::Sensing};

/// Arguments of `wattlab simulate tune`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Description of the queue, as TOML, with `power`; its `batching` does not matter.
    file: PathBuf,
    /// Seconds that 99 % of the responses must not exceed.
    #[arg(long, value_name = "S")]
    p99: f64,
    /// Requests per second, in place of the file's.
    #[arg(long)]
    rate: Option<f64>,
    /// Requests per second in place of the file's: this share of what single requests can be served.
    #[arg(long, value_name = "SHARE", conflicts_with = "rate")]
    load: Option<f64>,
    /// The largest batch to try; the file's `batching.size` if left out.
    #[arg(long)]
    largest: Option<usize>,
    /// Threads to simulate on; the answer does not depend on them.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Serve the best and single requests with the real network too, in turns, for so many seconds
    /// each.
    #[arg(long, value_name = "S")]
    live: Option<f64>,
    #[command(flatten)]
    sensing: Sensing,
    /// Folder for `frontier.csv` and `frontier.svg`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If the description cannot be tuned or the folder not be written.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut config = description::read(&args.file).map_err(Failure::bad_input)?;
    if let Some(rate) = args.rate {
        config.arrivals.rate = Some(rate);
    }
    if let Some(load) = args.load {
        let bad = |error| Failure::bad_input(description::in_file(&args.file, error));
        if !(load > 0.0 && load <= 100.0) {
            return Err(Failure::BadInput(anyhow!(
                "`--load` is {load}: expected above 0, at most 100"
            )));
        }
        let single = config.service.law().map_err(bad)?.capacity(1, 1);
        config.arrivals.rate = Some(load * config.servers.count as f64 * single);
    }
    let largest = args.largest.or(config.batching.size).unwrap_or(32);
    if !(1..=65_536).contains(&largest) {
        return Err(Failure::BadInput(anyhow!("`--largest` is {largest}: expected 1 to 65536")));
    }
    let threads = args.threads.or(std::thread::available_parallelism().ok());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    let tuning = inference_sim::tune(&config, args.p99, largest, threads)
        .map_err(|error| description::in_file(&args.file, error))
        .map_err(Failure::bad_input)?;
    let live = match args.live {
        Some(seconds) => {
            let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
            Some(verify(&config, &args.file, &tuning, seconds, &meter)?)
        }
        None => None,
    };
    let origin = config.calibration.and_then(|it| it.energy_origin).unwrap_or(Origin::Estimated);
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
    for it in &tuning.frontier {
        output::print(&row(it));
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
                |it| format!("{:.1} % fewer joules than single requests", 100.0 * it),
            );
            output::print(&format!(
                "best within {} s: {saved}\n{}",
                tuning.objective_p99_s,
                row(best)
            ));
        }
        (None, _) => progress::line(&format!(
            "warning: nothing answers 99 % within {} s; raise `--p99` or lower the rate",
            tuning.objective_p99_s
        )),
    }
    if let Some(live) = &live {
        let row = |name: &str, it: &Served| {
            let joules =
                it.energy_j_per_request.map_or_else(|| "none".to_owned(), |it| format!("{it:.5}"));
            output::print(&format!(
                "{name:<34} {:>10.5} s {joules:>12} J {:>12.2}",
                it.p99_response_s, it.mean_batch
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

/// What was tuned, and what came of it.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    tuning: &'a Tuning,
    /// Where the joules are from that were simulated with.
    energy_origin: Origin,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<&'a Verified>,
}

/// Single requests and the best, served.
#[derive(Serialize)]
struct Verified {
    batch_1: Served,
    best: Served,
    /// Where their joules are from; `None` without joules.
    energy_origin: Option<Origin>,
    /// Share of the joules of single requests.
    saving: Option<f64>,
}

/// Means over the turns, of the p99 the greatest.
#[derive(Serialize)]
struct Served {
    rate_rps: Option<f64>,
    requests: usize,
    p99_response_s: f64,
    mean_response_s: f64,
    mean_batch: f64,
    energy_j_per_request: Option<f64>,
}

/// In turns, so that drift does not pass for an effect of the policy.
const TURNS: u64 = 3;

fn verify(
    config: &SimulationConfig,
    file: &Path,
    tuning: &Tuning,
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
        return Err(Failure::BadInput(anyhow!("`--live` is {seconds}: expected seconds above 0")));
    }
    let best = tuning.best.as_ref().ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "nothing answers 99 % within {} s, so there is nothing to serve; raise `--p99`",
            tuning.objective_p99_s
        ))
    })?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut network = live::network(config, file)?;
    let by = live::By { meter, interrupt: &interrupt, warmup: live::WARMUP, compat: None };
    let mut found = [Vec::new(), Vec::new()];
    for turn in 0..TURNS {
        for (found, candidate) in found.iter_mut().zip([&tuning.batch_1, best]) {
            let config = SimulationConfig {
                seed: config.seed.wrapping_add(turn),
                requests: requests as usize,
                warmup: 0,
                batching: candidate.batching.clone(),
                ..config.clone()
            };
            let document = live::serve_beside(&config, file, &mut network, &by)?;
            found.push(document.live);
        }
    }
    let energies = found.iter().flatten().filter_map(|it| it.energy);
    let energy_origin = energies.map(|it| it.origin).reduce(Origin::and);
    let [batch_1, best] = found.map(|turns| {
        let n = turns.len() as f64;
        let mean = |value: fn(&live::Live) -> f64| turns.iter().map(value).sum::<f64>() / n;
        let joules: Option<Vec<f64>> = turns.iter().map(|it| it.energy_j_per_request).collect();
        Served {
            rate_rps: config.arrivals.rate,
            requests: turns.len() * requests as usize,
            p99_response_s: turns.iter().map(|it| it.p99_response_s).fold(0.0, f64::max),
            mean_response_s: mean(|it| it.mean_response_s),
            mean_batch: mean(|it| it.mean_batch),
            energy_j_per_request: joules.map(|it| it.iter().sum::<f64>() / n),
        }
    });
    let saving = best.energy_j_per_request.zip(batch_1.energy_j_per_request);
    let saving = saving.map(|(best, single)| 1.0 - best / single);
    Ok(Verified { batch_1, best, energy_origin, saving })
}

fn name(batching: &BatchingConfig) -> String {
    let kind = serde_json::to_value(batching.policy).ok();
    let kind = kind.as_ref().and_then(|it| it.as_str()).unwrap_or_default().to_owned();
    let size = batching.size.map_or_else(String::new, |it| format!(" {it}"));
    let time = batching.delay_s.or(batching.objective_s);
    let time = time.map_or_else(String::new, |it| format!(", {it:.4} s"));
    kind + &size + &time
}

fn row(candidate: &Candidate) -> String {
    let number =
        |it: Option<f64>| it.map_or_else(|| "unstable".to_owned(), |it| format!("{it:.5}"));
    format!(
        "{:<34} {:>10} s {:>12} J {:>12.2}",
        name(&candidate.batching),
        number(candidate.p99_response_s),
        number(candidate.energy_j_per_request),
        candidate.mean_batch
    )
}

fn write(tuning: &Tuning, origin: Origin, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut csv = String::from(
        "policy,p99_response_s,energy_j_per_request,mean_batch,on_frontier,energy_origin\n",
    );
    for it in &tuning.candidates {
        let number = |it: Option<f64>| it.map_or_else(String::new, |it| it.to_string());
        csv.push_str(&format!(
            "\"{}\",{},{},{},{},{}\n",
            name(&it.batching),
            number(it.p99_response_s),
            number(it.energy_j_per_request),
            it.mean_batch,
            tuning.frontier.contains(it),
            origin.word()
        ));
    }
    output::write_whole(&folder.join("frontier.csv"), csv.as_bytes())?;
    let points = |candidates: &[Candidate], named: bool| {
        let point = |it: &Candidate| {
            Some(Point {
                x: it.p99_response_s?,
                y: it.energy_j_per_request?,
                x_interval: None,
                y_interval: None,
                label: if named { name(&it.batching) } else { String::new() },
            })
        };
        candidates.iter().filter_map(point).collect::<Vec<_>>()
    };
    let others: Vec<_> =
        tuning.candidates.iter().filter(|it| !tuning.frontier.contains(it)).cloned().collect();
    let figure = Figure {
        id: "frontier".to_owned(),
        title: "Energy against response".to_owned(),
        caption: "Simulated batch policies; nothing beats those on the frontier.".to_owned(),
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
