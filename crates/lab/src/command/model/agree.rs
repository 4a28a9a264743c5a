//! `wattlab model agree`: does a device compute what the CPU computes?

use std::ops::ControlFlow;

use anyhow::anyhow;
use models::{
    Device, Network, Precision, Training,
    vision::{VisionError, VisionNetwork, random_images},
};
use record::{NetworkKind, StudyNetwork};
use serde_json::json;

use super::net::ADAM;
use crate::{Failure, device::device, output};

/// Arguments of `wattlab model agree`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The device that is compared with the CPU.
    #[arg(long, default_value = "cuda")]
    device: String,
    /// Optimizer steps of each training.
    #[arg(long, default_value_t = 12)]
    steps: u32,
    /// Images a step.
    #[arg(long, default_value_t = 96)]
    batch: usize,
    /// Vision networks; those of the study's queues unless said otherwise.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "alexnet,densenet121,shufflenet_v2_x0_5,vit_b_16,convnext_base,regnet_y_8gf,swin_t"
    )]
    arch: Vec<String>,
    /// Largest relative difference of losses, and of logits from the largest one.
    #[arg(long, default_value_t = 1e-3, value_name = "SHARE")]
    tolerance: f64,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Kind, channels, side, convolutions, linear layers.
const TRAININGS: [(NetworkKind, usize, usize, u32, u32); 6] = [
    (NetworkKind::SimpleCnn, 1, 28, 2, 3),
    (NetworkKind::SimpleCnn, 1, 28, 4, 7),
    (NetworkKind::SimpleCnn, 3, 32, 2, 3),
    (NetworkKind::SimpleCnn, 3, 32, 4, 7),
    (NetworkKind::DensePoly, 1, 28, 0, 3),
    (NetworkKind::DenseLinear, 3, 32, 0, 3),
];

/// Something that was computed on both.
struct Row {
    name: String,
    /// The largest relative difference.
    difference: f64,
    /// Of logits: what the images were multiplied by.
    light: Option<f64>,
}

/// Runs it.
///
/// # Errors
///
/// If the device cannot be had, fails, or differs.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let device = device(&args.device)?;
    super::net::at_least_one("batch", Some(args.batch))?;
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
    let worst = largest(rows.iter().map(|it| it.difference));
    if args.json {
        let row =
            |it: &Row| json!({ "name": it.name, "difference": it.difference, "light": it.light });
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
            "largest relative difference on {1} and on the CPU: losses of {0} steps, logits",
            args.steps,
            device.name()
        ));
        for Row { name, difference, light } in &rows {
            let dimmed = light.filter(|&it| it < 1.0);
            let dimmed = dimmed.map_or_else(String::new, |it| format!(" (images times {it})"));
            output::print(&format!("  {name:<44} {difference:.1e}{dimmed}"));
        }
    }
    // Not `>`: what is no number differs.
    if worst <= args.tolerance {
        return Ok(());
    }
    Err(Failure::run_time(anyhow!(
        "`{}` differs from the CPU by {worst:.1e}, more than {:.1e}",
        device.name(),
        args.tolerance
    )))
}

/// The largest distance of logits, over the largest logit, for images that are as bright as the
/// network bears: with random weights there is one (efficientnet_v2_s) that multiplies what is large
/// until a millionth more light changes its logits by a quarter, whoever computes them.
fn logits(device: &Device, name: &str, tolerance: f64) -> Result<Row, Failure> {
    const MORE: f64 = 1.0 + 1e-6;
    let network = || VisionNetwork::random(name, 1000, 1).map_err(Failure::bad_input);
    let images = random_images(2, 224, 1).map_err(Failure::run_time)?;
    let run = |network: &VisionNetwork, light: f64| {
        let logits = (&images * light)
            .map_err(VisionError::from)
            .and_then(|images| network.forward(&images))
            .and_then(|it| Ok(it.flatten_all()?.to_vec1::<f32>()?));
        logits.map_err(Failure::run_time)
    };
    let here = network()?;
    let (mut light, mut theirs) = (1.0, run(&here, 1.0)?);
    for darker in [0.1, 0.01, 0.001] {
        if distance(&run(&here, light * MORE)?, &theirs) <= 0.1 * tolerance {
            break;
        }
        (light, theirs) = (darker, run(&here, darker)?);
    }
    let difference = distance(&run(&network()?.on(device, Precision::Single), light)?, &theirs);
    Ok(Row { name: name.to_owned(), difference, light: Some(light) })
}

/// The largest distance of values from others, over the largest of those.
fn distance(ours: &[f32], theirs: &[f32]) -> f64 {
    let top = theirs.iter().fold(0.0_f32, |top, it| top.max(it.abs()));
    largest(ours.iter().zip(theirs).map(|(a, b)| f64::from((a - b).abs() / top)))
}

/// What is no number is larger than any.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |worst, it| if it > worst || it.is_nan() { it } else { worst })
}

fn losses(
    device: &Device,
    spec: &StudyNetwork,
    (channels, side): (usize, usize),
    args: &Args,
) -> Result<Vec<f64>, Failure> {
    let network = Network::new(spec, channels, side, 10, 7).map_err(Failure::run_time)?;
    let values = args.batch * channels * side * side;
    // Some structure, and no two images alike.
    let images: Vec<f32> =
        (0..values).map(|it| ((it * it + 7 * it) % 251) as f32 / 250.0).collect();
    let labels: Vec<u32> = (0..args.batch as u32).map(|it| it % 10).collect();
    let mut training = Training::on_one_batch_on(device, network, &ADAM, &images, &labels, 1)
        .map_err(Failure::run_time)?;
    let fit =
        training.fit(args.steps, &mut |_| ControlFlow::Continue(())).map_err(Failure::run_time)?;
    Ok(fit.epochs.iter().map(|it| it.loss.unwrap_or(f64::NAN)).collect())
}
