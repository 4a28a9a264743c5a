//! `wattlab simulate live`: serves a calibrated queue with its real network, beside its simulation.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use inference_sim::{
    BatchServer, BuiltInPolicy, LiveError, Policy, RealClock, ReplicasConfig, ServedQueue,
    SimulationConfig, SimulationReport, limits, serve_load,
};
use meter::Meter;
use record::{BatchTimes, Energy, Origin};
use serde::Serialize;

use super::{
    answerer::Answerer,
    cascade_flags, description,
    network::{Network, Part},
    photographs::Photographs,
};
use crate::{
    Failure, Interrupt,
    host_load::{DISTURBED, HostLoad},
    output, progress,
    sensing::Sensing,
};

/// Arguments of `wattlab simulate live`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A description that `wattlab simulate calibrate` wrote.
    file: PathBuf,
    /// Number of requests; overrides the file's `requests`.
    #[arg(long, value_name = "N", value_parser = limits::LIVE_REQUESTS.parser::<usize>())]
    requests: Option<usize>,
    /// Requests per second; overrides the file's `arrivals.rate`.
    #[arg(long, value_name = "RATE", value_parser = limits::RATE_PER_S.parser())]
    rate: Option<f64>,
    #[command(flatten)]
    images: Photographs,
    #[command(flatten)]
    cascade: cascade_flags::Flags,
    /// Batches of the largest size to serve before the first request.
    #[arg(long, value_name = "N", default_value_t = WARMUP, value_parser = limits::WARMUP.parser::<usize>())]
    warmup: usize,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The default of `--warmup`.
pub(super) const WARMUP: usize = 3;

/// The figures of the served queue and of the simulation of the same arrivals.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    schema: &'static str,
    pub(super) live: Live,
    pub(super) simulated: Box<SimulationReport>,
    /// Live figures divided by simulated ones.
    pub(super) ratio: Ratio,
}

/// Times count from the intended arrivals, so the figures contain all delays of a stalled server.
#[derive(Debug, Serialize)]
pub(super) struct Live {
    requests: usize,
    /// Images of these requests.
    images: usize,
    /// Different photographs, which the requests use in turn; 0 if the images were random.
    photographs: usize,
    /// Requests that found the queue full.
    rejected: usize,
    /// Requests that the policy dropped.
    dropped: usize,
    mean_wait_s: f64,
    pub(super) mean_response_s: f64,
    p50_response_s: f64,
    pub(super) p99_response_s: f64,
    max_wait_s: f64,
    pub(super) mean_batch: f64,
    utilisation: f64,
    duration_s: f64,
    pub(super) energy: Option<Energy>,
    pub(super) energy_j_per_request: Option<f64>,
    /// Energy of the description's idle power over the duration of the run; a part of `energy`.
    idle_j: Option<f64>,
    /// The share of the service time before the network runs: decoding and preprocessing, or taking
    /// images from memory.
    prepare_share: f64,
    /// That time per request, in seconds.
    prepare_s_per_request: f64,
    /// The share of the processors that other processes used meanwhile; `None` if the system does
    /// not report it.
    pub(super) others_share: Option<f64>,
    /// Share of the images that were asked of the large network; `None` without a cascade.
    asked: Option<f64>,
    /// Share of the images that the cascade answered right.
    accuracy: Option<f64>,
    /// Figures by batch size, rising.
    batches: Vec<OfSize>,
}

/// The batches of one size.
#[derive(Debug, Serialize)]
struct OfSize {
    /// Images.
    size: usize,
    batches: usize,
    mean_service_s: f64,
    mean_prepare_s: f64,
    mean_j: Option<f64>,
}

#[derive(Debug, Serialize)]
pub(super) struct Ratio {
    pub(super) mean_response: Option<f64>,
    pub(super) energy_per_request: Option<f64>,
}

/// Runs the command.
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
    limits::LIVE_REQUESTS
        .check(config.requests)
        .map_err(|error| Failure::bad_input(error.of_key("requests")))?;
    config.warmup = 0;
    if let (Some(calibration), Some(_)) = (&mut config.calibration, &args.images.folder) {
        calibration.images = args.images.folder.clone();
        calibration.cache_images = args.images.cached;
    }
    if config.cascade.is_some() && args.images.folder.is_some() {
        return Err(Failure::BadInput(anyhow!(
            "--images cannot be used with a cascade, which needs labeled images: give `--data`"
        )));
    }
    let mut network = args.cascade.network(&config, || network(&config, &args.file))?;
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let by = By { meter: &meter, interrupt: &interrupt, warmup: args.warmup };
    let document = serve_beside(&config, &args.file, &mut network, &by)?;
    if args.json {
        return output::print_json(&document);
    }
    print(&document, &config);
    Ok(())
}

/// The network that a description was calibrated with.
pub(super) fn network(config: &SimulationConfig, file: &Path) -> Result<Network, Failure> {
    let calibration = config.calibration.as_ref().ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "simulation `{}`: `calibration` is missing, which names the network to serve; \
             write the file with `wattlab simulate calibrate`",
            file.display()
        ))
    })?;
    Network::calibrated(calibration)
}

/// The meter and the options with which a queue is served.
pub(super) struct By<'a> {
    pub(super) meter: &'a Meter,
    pub(super) interrupt: &'a Interrupt,
    /// Batches of the largest size before the first request.
    pub(super) warmup: usize,
}

/// What a description asks for that only simulated queues have.
fn only_simulated(
    config: &SimulationConfig,
    policy: &BuiltInPolicy,
    network: &Network,
) -> Option<&'static str> {
    [
        (config.arrivals.level.is_some(), "`arrivals.level`"),
        (
            config.cascade.is_some() && network.answers().is_none(),
            "`cascade` (other than by `wattlab simulate live`)",
        ),
        (config.queue.patience.is_some(), "`queue.patience`"),
        (config.queue.retry.is_some(), "`queue.retry`"),
        (config.replicas != ReplicasConfig::default(), "`replicas`"),
        (policy.has_rules(), "a Triton configuration with timeouts or priorities"),
    ]
    .into_iter()
    .find_map(|(given, key)| given.then_some(key))
}

/// Serves the queue of a description, after a warm-up, and simulates the same requests.
pub(super) fn serve_beside(
    config: &SimulationConfig,
    file: &Path,
    network: &mut Network,
    by: &By<'_>,
) -> Result<Document, Failure> {
    let &By { meter, interrupt, warmup } = by;
    let bad =
        |error: inference_sim::ConfigError| Failure::bad_input(description::in_file(file, error));
    if config.servers.count != 1 || config.servers.sleep_after_s.is_some() {
        return Err(Failure::BadInput(anyhow!(
            "simulation `{}`: `servers.count` is {} or servers sleep: expected 1 server that does \
             not sleep, as in a live queue",
            file.display(),
            config.servers.count
        )));
    }
    let policy = config.policy().map_err(bad)?;
    if let Some(key) = only_simulated(config, &policy, network) {
        return Err(Failure::BadInput(anyhow!(
            "simulation `{}`: {key} cannot be served live: leave it out",
            file.display()
        )));
    }
    let simulated = Box::new(
        inference_sim::simulate(config)
            .map_err(|error| Failure::bad_input(description::in_file(file, error)))?,
    );
    let load = config.live_load().map_err(bad)?;
    let mut policy = policy;
    let limit = config.queue.limit.or(policy.queue_limit()).unwrap_or(usize::MAX);
    // A request of more images than a batch is a batch of its own.
    let largest = policy.max_size().min(config.requests.saturating_mul(load.largest()));
    let largest = largest.max(load.largest());
    let side =
        config.calibration.as_ref().and_then(|calibration| calibration.image_side).unwrap_or(1);
    super::network::fits(largest, network.channels(), side)
        .with_context(|| format!("simulation `{}`: `batching.size`", file.display()))
        .map_err(Failure::BadInput)?;
    network.check_seen(meter)?;
    let largest: Vec<usize> = (0..largest).collect();
    for _ in 0..warmup {
        network.serve(&largest).map_err(Failure::run_time)?;
    }
    network.metered(Some(meter));
    network.parts();
    let others = HostLoad::watch();
    let span = meter.span("serve");
    let mut control = |_: &_| match interrupt.is_set() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let served = serve_load(load, limit, &mut policy, network, &RealClock::start(), &mut control);
    let others_share = others.share();
    let span = span.end();
    network.metered(None);
    let served = served.map_err(|error| match error {
        LiveError::Stopped(_) => Failure::Interrupted,
        other => Failure::run_time(other),
    })?;
    let idle_j = config.power.as_ref().map(|power| (power.idle * span.duration).0);
    let mut live = live(&served, &network.parts(), span.total, idle_j);
    live.others_share = others_share;
    live.photographs = network.photographs();
    if let Some(answers) = network.answers() {
        live.asked = Some(answers.asked as f64 / answers.images as f64);
        live.accuracy = Some(answers.right as f64 / answers.images as f64);
    }
    let ratio = Ratio {
        mean_response: simulated.mean_response.map(|time| live.mean_response_s / time.0),
        energy_per_request: live
            .energy_j_per_request
            .zip(simulated.energy_per_request)
            .map(|(live, simulated)| live / simulated.0),
    };
    Ok(Document { schema: "wattlab.simulate-live/1", live, simulated, ratio })
}

fn live(served: &ServedQueue, parts: &[Part], energy: Option<Energy>, idle_j: Option<f64>) -> Live {
    let serving = &served.serving;
    let waits: Vec<f64> = serving.waits().collect();
    let mut responses: Vec<f64> = serving.responses().collect();
    let requests = responses.len();
    let mean = |times: &[f64]| times.iter().sum::<f64>() / times.len() as f64;
    let mean_response_s = mean(&responses);
    responses.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * requests as f64).ceil() as usize;
        responses.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
    };
    let duration_s = serving.makespan().map_or(f64::NAN, |time| time.0);
    let busy_s: f64 = serving.batches.iter().map(|batch| batch.end_s - batch.start_s).sum();
    let prepare_s: f64 = parts.iter().map(|part| part.prepare.0).sum();
    Live {
        requests,
        images: served.items.iter().sum(),
        photographs: 0,
        rejected: served.rejected.len(),
        dropped: served.dropped.len(),
        mean_wait_s: mean(&waits),
        mean_response_s,
        p50_response_s: quantile(0.5),
        p99_response_s: quantile(0.99),
        max_wait_s: waits.iter().copied().fold(0.0, f64::max),
        mean_batch: requests as f64 / serving.batches.len() as f64,
        utilisation: busy_s / duration_s,
        duration_s,
        energy,
        energy_j_per_request: energy.map(|energy| energy.joules.0 / requests as f64),
        idle_j,
        prepare_share: prepare_s / busy_s,
        prepare_s_per_request: prepare_s / requests as f64,
        others_share: None,
        asked: None,
        accuracy: None,
        batches: by_size(served, parts),
    }
}

fn by_size(served: &ServedQueue, parts: &[Part]) -> Vec<OfSize> {
    let sizes: std::collections::BTreeSet<usize> = served.items.iter().copied().collect();
    let of_size = |size: usize| {
        let batches = served.serving.batches.iter().zip(parts).zip(&served.items);
        let pairs: Vec<_> =
            batches.filter(|(_, items)| **items == size).map(|(pair, _)| pair).collect();
        let mean = |value: &dyn Fn(&(&BatchTimes, &Part)) -> f64| {
            pairs.iter().map(value).sum::<f64>() / pairs.len() as f64
        };
        let all = pairs.iter().all(|(_, part)| part.energy.is_some());
        OfSize {
            size,
            batches: pairs.len(),
            mean_service_s: mean(&|(batch, _)| batch.end_s - batch.start_s),
            mean_prepare_s: mean(&|(_, part)| part.prepare.0),
            mean_j: all
                .then(|| mean(&|(_, part)| part.energy.map_or(0.0, |energy| energy.joules.0))),
        }
    };
    sizes.into_iter().map(of_size).collect()
}

fn print(document: &Document, config: &SimulationConfig) {
    let Document { live, simulated, .. } = document;
    let number = |value: Option<f64>| {
        value.map_or_else(|| "none".to_owned(), |number| format!("{number:.5}"))
    };
    let simulated_with =
        config.calibration.as_ref().and_then(|calibration| calibration.energy_origin);
    let origins = live.energy.map(|energy| energy.origin).into_iter().chain(simulated_with);
    let origin = origins.reduce(Origin::and).map_or("none", Origin::word);
    output::print(&format!("{:<20} {:>12} {:>12} {:>8}", "", "live", "simulated", "ratio"));
    for (name, live, simulated) in [
        ("mean wait, s", Some(live.mean_wait_s), simulated.mean_wait.map(|time| time.0)),
        (
            "mean response, s",
            Some(live.mean_response_s),
            simulated.mean_response.map(|time| time.0),
        ),
        ("p99 response, s", Some(live.p99_response_s), simulated.p99_response.map(|time| time.0)),
        ("mean batch", Some(live.mean_batch), Some(simulated.mean_batch)),
        ("utilization", Some(live.utilisation), Some(simulated.utilization)),
        ("asked", live.asked, simulated.asked),
        (
            &format!("J/request, {origin}"),
            live.energy_j_per_request,
            simulated.energy_per_request.map(|energy| energy.0),
        ),
    ] {
        if live.is_none() && simulated.is_none() && name == "asked" {
            continue;
        }
        let ratio = live.zip(simulated).map(|(live, simulated)| live / simulated);
        let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
        output::print(&format!(
            "{name:<20} {:>12} {:>12} {ratio:>8}",
            number(live),
            number(simulated)
        ));
    }
    output::print(&format!(
        "{:>6} {:>8} {:>12} {:>12} {:>12}",
        "batch",
        "batches",
        "service, s",
        "prepare, s",
        format!("J {origin}")
    ));
    for row in &live.batches {
        output::print(&format!(
            "{:>6} {:>8} {:>12.5} {:>12.5} {:>12}",
            row.size,
            row.batches,
            row.mean_service_s,
            row.mean_prepare_s,
            number(row.mean_j)
        ));
    }
    if let Some(accuracy) = live.accuracy {
        output::print(&format!(
            "right answers: {:.2} % of {} images",
            100.0 * accuracy,
            live.images
        ));
    }
    if live.photographs > 0 {
        output::print(&format!(
            "{} photographs by turns: preparing one took {:.5} s, {:.1} % of the service",
            live.photographs,
            live.prepare_s_per_request,
            100.0 * live.prepare_share
        ));
    }
    if let (Some(energy), Some(idle_j)) = (live.energy, live.idle_j) {
        output::print(&format!(
            "energy {:.3} J {origin}, of which {idle_j:.3} J for idle power",
            energy.joules.0
        ));
    }
    if let Some(share) = live.others_share.filter(|&share| share > DISTURBED) {
        progress::line(&format!(
            "warning: other processes used {:.0} % of the processors, which made the service slower; \
             end them and run again",
            100.0 * share
        ));
    }
    if live.rejected + live.dropped > 0 {
        output::print(&format!("rejected {}, dropped {}", live.rejected, live.dropped));
    }
    let network = config.calibration.as_ref().map_or("", inference_sim::Calibration::measured);
    progress::line(&format!("{network}, {} requests, joules {origin}", live.requests));
}
