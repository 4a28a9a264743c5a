//! `wattlab model bench`: how fast, on random data.

use std::time::Instant;

use anyhow::{Context, anyhow};
use models::{
    Control, Network, Split, TrainEvent, Training,
    vision::{VisionNetwork, random_images},
};
use record::Adam;
use serde_json::json;

use super::net::{Kind, Shape};
use crate::{Failure, output};

/// Arguments of `wattlab model bench`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// One of the study's networks: training, unless --forward-only.
    #[arg(long, required_unless_present = "arch", conflicts_with = "arch")]
    net: Option<Kind>,
    #[command(flatten)]
    shape: Shape,
    /// A vision network, by torchvision's name: inference on 224×224 pixels.
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Images at a time; 512 for the study's networks and 8 for vision networks unless said otherwise.
    #[arg(long)]
    batch: Option<usize>,
    /// Steps that are timed.
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Threads; all processors unless said otherwise.
    #[arg(long)]
    threads: Option<usize>,
    /// Inference only.
    #[arg(long)]
    forward_only: bool,
    /// Where to compute.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Steps before the clock counts.
const WARMUP: usize = 3;

/// Runs it.
///
/// # Errors
///
/// If a size or a setting does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    super::device(&args.device)?;
    let check = |what: &str, value: Option<usize>| match value {
        Some(0) => Err(Failure::bad_input(anyhow!("--{what} is 0, expected at least 1"))),
        _ => Ok(()),
    };
    check("batch", args.batch)?;
    check("steps", Some(args.steps))?;
    check("threads", args.threads)?;
    if let Some(threads) = args.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("--threads")
            .map_err(Failure::run_time)?;
    }
    let batch = args.batch.unwrap_or(if args.net.is_some() { 512 } else { 8 });
    let times = match (&args.net, &args.arch) {
        (Some(kind), _) if args.forward_only => evaluate(*kind, args, batch)?,
        (Some(kind), _) => train(*kind, args, batch)?,
        (None, Some(arch)) => infer(arch, args, batch)?,
        (None, None) => return Err(Failure::bad_input(anyhow!("--net or --arch is needed"))),
    };
    let mut sorted = times;
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| sorted[((sorted.len() - 1) as f64 * share).round() as usize];
    let (median, p10, p90) = (at(0.5), at(0.1), at(0.9));
    let rate = batch as f64 / median;
    let threads = rayon::current_num_threads();
    if args.json {
        return output::print_json(&json!({
            "images_per_s": rate,
            "step_s": { "median": median, "p10": p10, "p90": p90 },
            "threads": threads,
            "peak_memory_mb": peak_memory_mb(),
            "batch": batch,
            "steps": args.steps,
        }));
    }
    output::print(&format!(
        "{rate:.0} images/s, {:.3} ms a step of {batch} ({:.3} to {:.3}), {threads} threads",
        median * 1e3,
        p10 * 1e3,
        p90 * 1e3
    ));
    Ok(())
}

/// Images of a gray ramp with some structure, in [0, 1]; neither time nor energy depends on them.
fn images(count: usize) -> Vec<f32> {
    (0..count).map(|it| (it % 251) as f32 / 250.0).collect()
}

fn network(kind: Kind, shape: &Shape) -> Result<Network, Failure> {
    let spec = shape.network(kind);
    Network::new(&spec, shape.channels, shape.side, 10, 0).map_err(Failure::bad_input)
}

fn train(kind: Kind, args: &Args, batch: usize) -> Result<Vec<f64>, Failure> {
    let shape = &args.shape;
    let pixels = images(batch * shape.channels * shape.side.pow(2));
    let labels: Vec<u32> = (0..batch as u32).map(|it| it % 10).collect();
    let adam =
        Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let mut training = Training::on_one_batch(network(kind, shape)?, &adam, &pixels, &labels)
        .map_err(Failure::bad_input)?;
    let steps = u32::try_from(args.steps + WARMUP).map_err(Failure::bad_input)?;
    let (mut times, mut last) = (Vec::new(), Instant::now());
    let fit = training.fit(steps, &mut |event| {
        if event == TrainEvent::Step {
            let now = Instant::now();
            times.push((now - last).as_secs_f64());
            last = now;
        }
        Control::Continue
    });
    let fit = fit.map_err(Failure::run_time)?;
    if fit.diverged_in_epoch.is_some() {
        return Err(Failure::run_time(anyhow!("the loss is not a number: steps cannot be timed")));
    }
    Ok(times.split_off(WARMUP))
}

fn evaluate(kind: Kind, args: &Args, batch: usize) -> Result<Vec<f64>, Failure> {
    let shape = &args.shape;
    let split = Split {
        images: images(batch * shape.channels * shape.side.pow(2)),
        labels: (0..batch as u32).map(|it| it % 10).collect(),
    };
    let adam =
        Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
    let mut training =
        Training::on_one_batch(network(kind, shape)?, &adam, &split.images, &split.labels)
            .map_err(Failure::bad_input)?;
    timed(args.steps, || training.accuracy(&split).map(|_| ()).map_err(Failure::run_time))
}

fn infer(arch: &str, args: &Args, batch: usize) -> Result<Vec<f64>, Failure> {
    let network = VisionNetwork::random(arch, 1000, 1).map_err(Failure::bad_input)?;
    let images = random_images(batch, 224, 1).map_err(Failure::run_time)?;
    timed(args.steps, || network.forward(&images).map(|_| ()).map_err(Failure::run_time))
}

/// The most memory that this process had at once, where the system tells (Linux).
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn timed(steps: usize, mut step: impl FnMut() -> Result<(), Failure>) -> Result<Vec<f64>, Failure> {
    for _ in 0..WARMUP {
        step()?;
    }
    (0..steps)
        .map(|_| {
            let start = Instant::now();
            step()?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect()
}
