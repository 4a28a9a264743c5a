//! `wattlab model bench`: measures speed on random data.

use std::{ops::ControlFlow, time::Instant};

use anyhow::anyhow;
use models::{
    Device, InstructionSet, Precision, Split, TrainEvent, Training,
    vision::{Int8Settings, VisionNetwork, network_info},
};
use serde_json::json;
use units::limits;

use super::net::{ADAM, Kind, Named, Subject, room};
use crate::{Failure, memory, output};

/// Arguments of `wattlab model bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    subject: Subject,
    /// Number of steps to time.
    #[arg(long, default_value_t = 20, value_parser = limits::STEPS.parser::<usize>())]
    steps: usize,
    /// Precision of a vision network: `f32` or `int8` on the CPU, `f32`, `tf32` or `bf16` on a GPU.
    #[arg(long, default_value = "f32")]
    precision: Type,
    /// Measure inference of one of the study's networks instead of training.
    #[arg(long)]
    forward_only: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The precision of values and products.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Type {
    /// Single precision.
    #[value(alias = "float32")]
    F32,
    /// Single precision with products in NVIDIA's TF32.
    Tf32,
    /// bfloat16.
    Bf16,
    /// 8-bit integers, calibrated on the images.
    Int8,
}

impl Type {
    /// The precision on a device, whose name is `device`.
    fn on(self, device: &str) -> Result<Precision, Failure> {
        let (found, expected) = match (self, device) {
            (Self::F32 | Self::Int8, "cpu") => return Ok(Precision::Single),
            (Self::Tf32 | Self::Bf16, "cpu") => ("the CPU supports", "`f32` and `int8` only"),
            (Self::F32, _) => return Ok(Precision::Single),
            (Self::Tf32, _) => return Ok(Precision::Tf32),
            (Self::Bf16, _) => return Ok(Precision::Bf16),
            (Self::Int8, _) => ("a GPU supports", "`f32`, `tf32` and `bf16` only"),
        };
        let text = format!("--precision: {found} {expected}; choose another precision or --device");
        Err(Failure::bad_input(anyhow!(text)))
    }
}

/// Images for the calibration of 8-bit integers, on whose ranges the time does not depend.
const CALIBRATION: usize = 4;
/// Warm-up steps.
const WARMUP: usize = 3;
/// Seconds after which the warm-up of a slow network ends with fewer steps.
const WARM: f64 = 1.0;

/// Runs `wattlab model bench`.
///
/// # Errors
///
/// If a size or a setting does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (named, batch, device) = args.subject.start()?;
    let Times { times, recorded, instructions } = match named {
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
            "instructions": instructions,
            "device": device.name(),
            "device_name": device.model_name(),
            "recorded": recorded,
            "peak_memory_mb": peak_memory_mb(),
            "batch": batch,
            "steps": args.steps,
        }));
    }
    output::print(&format!(
        "{rate:.0} images/s, {:.3} ms per step of {batch} images ({:.3} to {:.3}), {}",
        median * 1e3,
        p10 * 1e3,
        p90 * 1e3,
        device.model_name().map_or_else(|| format!("{threads} threads"), str::to_owned)
    ));
    Ok(())
}

/// Steps that are timed together on a GPU: as in a training, the host waits for it only at the end of an epoch.
const TOGETHER: usize = 20;

/// Results of a measurement.
struct Times {
    /// Seconds of each step.
    times: Vec<f64>,
    /// Whether steps were replayed from a recording; `None` on the CPU.
    recorded: Option<bool>,
    /// The instructions of the products.
    instructions: &'static str,
}

fn train(kind: Kind, args: &Args, batch: usize, device: &Device) -> Result<Times, Failure> {
    let (pixels, labels) = args.subject.images(batch)?;
    let network = args.subject.network(kind)?;
    let together = if device.name() == "cpu" { 1 } else { TOGETHER };
    let mut training =
        Training::on_one_batch_on(device, network, &ADAM, &pixels, &labels, together)
            .map_err(Failure::bad_input)?;
    let epochs = args.steps.div_ceil(together) + WARMUP;
    let (mut times, mut last) = (Vec::new(), Instant::now());
    let history = training.fit(u32::try_from(epochs).map_err(Failure::bad_input)?, &mut |event| {
        if matches!(event, TrainEvent::EpochEnded(_)) {
            let now = Instant::now();
            times.push((now - last).as_secs_f64() / together as f64);
            last = now;
        }
        ControlFlow::Continue(())
    });
    if history.map_err(Failure::run_time)?.diverged_in_epoch.is_some() {
        return Err(Failure::run_time(anyhow!("the training diverged, so steps cannot be timed")));
    }
    let instructions = InstructionSet::current().name();
    Ok(Times { times: times.split_off(WARMUP), recorded: training.recorded(), instructions })
}

fn evaluate(kind: Kind, args: &Args, batch: usize, device: &Device) -> Result<Times, Failure> {
    let (images, labels) = args.subject.images(batch)?;
    let split = Split { images, labels };
    let network = args.subject.network(kind)?;
    let mut training =
        Training::on_one_batch_on(device, network, &ADAM, &split.images, &split.labels, 1)
            .map_err(Failure::bad_input)?;
    timed(args.steps, || training.accuracy(&split).map(|_| ()).map_err(Failure::run_time))
}

fn infer(arch: &str, args: &Args, batch: usize, device: &Device) -> Result<Times, Failure> {
    let precision = args.precision.on(device.name())?;
    let info = network_info(arch).map_err(Failure::bad_input)?;
    room(batch, info.channels, info.usual_side, memory::INFERENCE)?;
    let network = VisionNetwork::open(arch, None, None, 1).map_err(Failure::bad_input)?;
    let images = info.random_images(batch, info.usual_side, 1).map_err(Failure::of_network)?;
    let network = match args.precision {
        Type::Int8 => {
            let settings = Int8Settings { images: CALIBRATION, ..Int8Settings::default() };
            network.to_int8(&settings, &images).map_err(Failure::bad_input)?
        }
        _ => network.on(device, precision),
    };
    let images = network.upload(&images).map_err(Failure::of_network)?;
    let run = || network.run(&images, None).map(|_| ()).map_err(Failure::of_network);
    let timed = timed(args.steps, run)?;
    let int8 = network.int8_summary().map(|summary| summary.instructions);
    let instructions = int8.unwrap_or(timed.instructions);
    Ok(Times { recorded: network.recorded(), instructions, ..timed })
}

/// Peak memory of this process in MB; `None` if the system does not report it.
fn peak_memory_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// Times some steps after a warm-up.
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
    let times = times.collect::<Result<_, Failure>>()?;
    Ok(Times { times, recorded: None, instructions: InstructionSet::current().name() })
}
