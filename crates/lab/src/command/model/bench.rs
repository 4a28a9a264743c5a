//! `wattlab model bench`: how fast, on random data.

use std::{ops::ControlFlow, time::Instant};

use anyhow::anyhow;
use models::{
    Device, Precision, Split, TrainEvent, Training,
    vision::{VisionNetwork, random_images},
};
use serde_json::json;

use super::net::{ADAM, Kind, Named, Subject, at_least_one};
use crate::{Failure, output};

/// Arguments of `wattlab model bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Steps that are timed.
    #[arg(long, default_value_t = 20)]
    steps: usize,
    /// Values and products of a vision network on a device.
    #[arg(long, default_value = "f32")]
    precision: Type,
    /// Inference only.
    #[arg(long)]
    forward_only: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Type {
    /// Single precision.
    F32,
    /// Single precision whose products are of NVIDIA's TF32.
    Tf32,
    /// bfloat16.
    Bf16,
}

impl From<Type> for Precision {
    fn from(it: Type) -> Self {
        match it {
            Type::F32 => Self::Single,
            Type::Tf32 => Self::Tf32,
            Type::Bf16 => Self::Bf16,
        }
    }
}

/// Steps before the clock counts.
const WARMUP: usize = 3;
/// Seconds after which a slow network is warm with fewer.
const WARM: f64 = 1.0;

/// Runs it.
///
/// # Errors
///
/// If a size or a setting does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    at_least_one("steps", Some(args.steps))?;
    let (named, batch, device) = args.subject.start()?;
    let Times { times, recorded } = match named {
        Named::Study(kind) if args.forward_only => evaluate(kind, args, batch, &device)?,
        Named::Study(kind) => train(kind, args, batch, &device)?,
        Named::Vision(arch) => infer(arch, args, batch, &device)?,
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
            "device": device.name(),
            "device_name": device.model_name(),
            "recorded": recorded,
            "peak_memory_mb": peak_memory_mb(),
            "batch": batch,
            "steps": args.steps,
        }));
    }
    output::print(&format!(
        "{rate:.0} images/s, {:.3} ms a step of {batch} ({:.3} to {:.3}), {}",
        median * 1e3,
        p10 * 1e3,
        p90 * 1e3,
        device.model_name().map_or_else(|| format!("{threads} threads"), str::to_owned)
    ));
    Ok(())
}

/// Steps that are timed together on a device: it hears of them at an epoch's end, as in a training.
const TOGETHER: usize = 20;

/// Seconds a step, and whether steps were repeated as recorded.
struct Times {
    times: Vec<f64>,
    recorded: Option<bool>,
}

fn train(kind: Kind, args: &Args, batch: usize, device: &Device) -> Result<Times, Failure> {
    let (pixels, labels) = args.subject.images(batch);
    let network = args.subject.network(kind)?;
    let together = if device.name() == "cpu" { 1 } else { TOGETHER };
    let mut training =
        Training::on_one_batch_on(device, network, &ADAM, &pixels, &labels, together)
            .map_err(Failure::bad_input)?;
    let epochs = args.steps.div_ceil(together) + WARMUP;
    let (mut times, mut last) = (Vec::new(), Instant::now());
    let fit = training.fit(u32::try_from(epochs).map_err(Failure::bad_input)?, &mut |event| {
        if matches!(event, TrainEvent::EpochEnded(_)) {
            let now = Instant::now();
            times.push((now - last).as_secs_f64() / together as f64);
            last = now;
        }
        ControlFlow::Continue(())
    });
    let fit = fit.map_err(Failure::run_time)?;
    if fit.diverged_in_epoch.is_some() {
        return Err(Failure::run_time(anyhow!("the loss is not a number: steps cannot be timed")));
    }
    Ok(Times { times: times.split_off(WARMUP), recorded: training.recorded() })
}

fn evaluate(kind: Kind, args: &Args, batch: usize, device: &Device) -> Result<Times, Failure> {
    let (images, labels) = args.subject.images(batch);
    let split = Split { images, labels };
    let network = args.subject.network(kind)?;
    let mut training =
        Training::on_one_batch_on(device, network, &ADAM, &split.images, &split.labels, 1)
            .map_err(Failure::bad_input)?;
    timed(args.steps, || training.accuracy(&split).map(|_| ()).map_err(Failure::run_time))
}

fn infer(arch: &str, args: &Args, batch: usize, device: &Device) -> Result<Times, Failure> {
    if device.name() == "cpu" && args.precision != Type::F32 {
        let text = "--precision: the CPU computes in single precision only, `f32`";
        return Err(Failure::bad_input(anyhow!(text)));
    }
    let network = VisionNetwork::random(arch, 1000, 1).map_err(Failure::bad_input)?;
    let network = network.on(device, args.precision.into());
    let images = random_images(batch, 224, 1).map_err(Failure::run_time)?;
    let images = network.upload(&images).map_err(Failure::run_time)?;
    let run = || network.run(&images, None).map(|_| ()).map_err(Failure::run_time);
    let Times { times, .. } = timed(args.steps, run)?;
    Ok(Times { times, recorded: network.recorded() })
}

/// The most memory that this process had at once, where the system tells (Linux).
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

fn timed(steps: usize, mut step: impl FnMut() -> Result<(), Failure>) -> Result<Times, Failure> {
    let begin = Instant::now();
    for _ in 0..WARMUP {
        step()?;
        if begin.elapsed().as_secs_f64() > WARM {
            break;
        }
    }
    let times = (0..steps).map(|_| {
        let start = Instant::now();
        step()?;
        Ok(start.elapsed().as_secs_f64())
    });
    Ok(Times { times: times.collect::<Result<_, Failure>>()?, recorded: None })
}
