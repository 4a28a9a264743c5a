//! `wattlab model agree`: compares the results of a device with those of the CPU.

use std::ops::ControlFlow;

use anyhow::anyhow;
use models::{
    Device, Network, Precision, Training,
    vision::{VisionError, VisionNetwork},
};
use record::{NetworkKind, StudyNetwork};
use serde_json::json;
use units::limits;

use super::net::{ADAM, room, values};
use crate::{Failure, device::device, memory, output};

/// Arguments of `wattlab model agree`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Device to compare with the CPU: `cuda` or `cuda:N`.
    #[arg(long, default_value = "cuda")]
    device: String,
    /// Optimizer steps of each training.
    #[arg(long, default_value_t = 12, value_parser = limits::STEPS.parser::<u32>())]
    steps: u32,
    /// Batch size of each training.
    #[arg(long, default_value_t = 96, value_parser = limits::BATCH.parser::<usize>())]
    batch: usize,
    /// Vision networks to compare, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "alexnet,densenet121,shufflenet_v2_x0_5,vit_b_16,convnext_base,regnet_y_8gf,swin_t"
    )]
    arch: Vec<String>,
    /// Largest allowed difference: of losses relative to the loss, of logits relative to the largest one.
    #[arg(long, default_value_t = 1e-3, value_name = "SHARE", value_parser = limits::SHARE.parser())]
    tolerance: f64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Kind, channels, side, convolution blocks and linear layers of each training.
const TRAININGS: [(NetworkKind, usize, usize, u32, u32); 6] = [
    (NetworkKind::SimpleCnn, 1, 28, 2, 3),
    (NetworkKind::SimpleCnn, 1, 28, 4, 7),
    (NetworkKind::SimpleCnn, 3, 32, 2, 3),
    (NetworkKind::SimpleCnn, 3, 32, 4, 7),
    (NetworkKind::DensePoly, 1, 28, 0, 3),
    (NetworkKind::DenseLinear, 3, 32, 0, 3),
];

/// A comparison.
struct Row {
    name: String,
    /// The largest relative difference.
    difference: f64,
    /// The factor that the images were multiplied by; `None` for trainings.
    light: Option<f64>,
}

/// Runs `wattlab model agree`.
///
/// # Errors
///
/// If the device cannot be used, fails, or differs by more than the tolerance.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let device = device(&args.device)?;
    let mut rows = Vec::new();
    for (kind, channels, side, conv, linear) in TRAININGS {
        let spec = StudyNetwork { kind, conv, linear, relu: true };
        let losses = |device: &Device| losses(device, &spec, (channels, side), args);
        let (ours, theirs) = (losses(&device)?, losses(&Device::cpu())?);
        let pairs = ours.iter().zip(&theirs);
        let difference = largest(pairs.map(|(a, b)| (a - b).abs() / b.abs()));
        let name =
            format!("{} {channels}×{side}×{side}, {conv} conv, {linear} linear", kind.paper_name());
        rows.push(Row { name, difference, light: None });
    }
    for name in &args.arch {
        rows.push(logits(&device, name, args.tolerance)?);
    }
    let worst = largest(rows.iter().map(|row| row.difference));
    if args.json {
        let row = |Row { name, difference, light }: &Row| json!({ "name": name, "difference": difference, "light": light });
        let rows: Vec<_> = rows.iter().map(row).collect();
        output::print_json(&json!({
            "schema": "wattlab.agree/1",
            "device": device.name(),
            "device_name": device.model_name(),
            "rows": rows,
            "worst": worst,
        }))?;
    } else {
        output::print(&format!(
            "largest relative difference between {} and the CPU (losses of {} steps, logits):",
            device.name(),
            args.steps
        ));
        for Row { name, difference, light } in &rows {
            let dimmed = light.filter(|&light| light < 1.0);
            let dimmed =
                dimmed.map_or_else(String::new, |light| format!(" (images times {light})"));
            output::print(&format!("  {name:<44} {difference:.1e}{dimmed}"));
        }
    }
    // Not `>`, so that NaN counts as a difference.
    if worst <= args.tolerance {
        return Ok(());
    }
    Err(Failure::run_time(anyhow!(
        "device `{}` differs from the CPU by {worst:.1e}, more than the {:.1e} that `--tolerance` allows",
        device.name(),
        args.tolerance
    )))
}

/// Compares the logits of a network. The images are made darker until a relative change of 10⁻⁶ of them
/// changes the CPU's logits by less than a tenth of the tolerance: with random weights, one network
/// (efficientnet_v2_s) amplifies such a change of the original images to a quarter of the logits, on any device.
fn logits(device: &Device, name: &str, tolerance: f64) -> Result<Row, Failure> {
    const BRIGHTER: f64 = 1.0 + 1e-6;
    let network = || VisionNetwork::open(name, None, None, 1).map_err(Failure::bad_input);
    let on_cpu = network()?;
    let info = on_cpu.info();
    let images = info.random_images(2, info.usual_side, 1).map_err(Failure::of_network)?;
    let run = |network: &VisionNetwork, light: f64| {
        let logits = (&images * light)
            .map_err(VisionError::from)
            .and_then(|images| network.forward(&images))
            .and_then(|logits| Ok(logits.flatten_all()?.to_vec1::<f32>()?));
        logits.map_err(Failure::of_network)
    };
    let (mut light, mut expected) = (1.0, run(&on_cpu, 1.0)?);
    for darker in [0.1, 0.01, 0.001] {
        if distance(&run(&on_cpu, light * BRIGHTER)?, &expected) <= 0.1 * tolerance {
            break;
        }
        (light, expected) = (darker, run(&on_cpu, darker)?);
    }
    let found = run(&network()?.on(device, Precision::Single), light)?;
    Ok(Row { name: name.to_owned(), difference: distance(&found, &expected), light: Some(light) })
}

/// The largest difference, relative to the largest expected value.
fn distance(found: &[f32], expected: &[f32]) -> f64 {
    let top = expected.iter().fold(0.0_f32, |top, value| top.max(value.abs()));
    largest(found.iter().zip(expected).map(|(a, b)| f64::from((a - b).abs() / top)))
}

/// The largest of some values that are at least 0; NaN counts as the largest.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |worst, value| if value > worst || value.is_nan() { value } else { worst })
}

/// The losses of some training steps.
fn losses(
    device: &Device,
    spec: &StudyNetwork,
    (channels, side): (usize, usize),
    args: &Args,
) -> Result<Vec<f64>, Failure> {
    room(args.batch, channels, side, memory::TRAINING)?;
    let network = Network::new(spec, channels, side, 10, 7).map_err(Failure::run_time)?;
    let values = values(args.batch, channels, side)?;
    // A pattern in which no two images are equal.
    let images: Vec<f32> = (0..values).map(|i| ((i * i + 7 * i) % 251) as f32 / 250.0).collect();
    let labels: Vec<u32> = (0..args.batch as u32).map(|i| i % 10).collect();
    let mut training = Training::on_one_batch_on(device, network, &ADAM, &images, &labels, 1)
        .map_err(Failure::run_time)?;
    let history =
        training.fit(args.steps, &mut |_| ControlFlow::Continue(())).map_err(Failure::run_time)?;
    Ok(history.epochs.iter().map(|epoch| epoch.loss.unwrap_or(f64::NAN)).collect())
}
