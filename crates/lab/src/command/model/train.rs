//! `wattlab model train`: trains on a single batch, for comparisons with other implementations.

use std::{ops::ControlFlow, path::PathBuf};

use anyhow::anyhow;
use candle_core::DType;
use models::{Network, Training};
use record::Adam;
use serde_json::json;
use units::limits;

use super::{
    forward::tensors,
    net::{Kind, Shape, values},
};
use crate::{Failure, device::device, output};

/// Arguments of `wattlab model train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network to train.
    #[arg(long)]
    net: Kind,
    #[command(flatten)]
    shape: Shape,
    /// A safetensors file with the initial weights (`layers.N.*`), `images` `[n][channels][side][side]` and
    /// `labels` `[n]`.
    #[arg(long, value_name = "FILE")]
    fixture: PathBuf,
    /// Number of optimizer steps.
    #[arg(long, default_value_t = 20, value_parser = limits::STEPS.parser::<u32>())]
    steps: u32,
    /// Learning rate.
    #[arg(long, default_value_t = 1e-3, value_parser = limits::LEARNING_RATE.parser())]
    lr: f64,
    /// Adam's β₁.
    #[arg(long, default_value_t = 0.9, value_parser = limits::DECAY.parser())]
    beta1: f64,
    /// Adam's β₂.
    #[arg(long, default_value_t = 0.999, value_parser = limits::DECAY.parser())]
    beta2: f64,
    /// Adam's ε.
    #[arg(long, default_value = "1e-8", value_parser = limits::COEFFICIENT.parser())]
    epsilon: f64,
    /// Weight decay (L2 penalty).
    #[arg(long, default_value_t = 0.0, value_parser = limits::COEFFICIENT.parser())]
    weight_decay: f64,
    /// Device to compute on: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs `wattlab model train`.
///
/// # Errors
///
/// If the fixture cannot be read or does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let device = device(&args.device)?;
    let mut fixture = tensors(&args.fixture, "--fixture")?;
    let path = args.fixture.display().to_string();
    let mut take = |name: &str| {
        fixture
            .remove(name)
            .ok_or_else(|| Failure::bad_input(anyhow!("--fixture `{path}` has no tensor `{name}`")))
    };
    let (images, labels) = (take("images")?, take("labels")?);
    let images = images.flatten_all().and_then(|images| images.to_dtype(DType::F32)?.to_vec1());
    let images: Vec<f32> = images.map_err(Failure::bad_input)?;
    let labels = labels.to_dtype(DType::U32).and_then(|labels| labels.to_vec1());
    let labels: Vec<u32> = labels.map_err(Failure::bad_input)?;
    let features = values(1, args.shape.channels, args.shape.side)?;
    if labels.is_empty() || images.len() != labels.len() * features {
        let found = images.len();
        return Err(Failure::bad_input(anyhow!(
            "--fixture `{path}`: `images` has {found} values, expected {} labels × {features}",
            labels.len()
        )));
    }
    // The classifier is the last layer whose weight is a matrix.
    let last = fixture
        .iter()
        .filter_map(|(name, tensor)| {
            let number: u32 =
                name.strip_prefix("layers.")?.strip_suffix(".weight")?.parse().ok()?;
            (tensor.rank() == 2).then(|| (number, tensor.dims()[0]))
        })
        .max();
    let classes = last.map_or(10, |(_, outputs)| outputs);
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(Failure::bad_input(anyhow!(
            "--fixture `{path}`: label {label} is out of range: the network has {classes} classes, \
             numbered from 0"
        )));
    }
    let spec = args.shape.network(args.net);
    let mut network = Network::new(&spec, args.shape.channels, args.shape.side, classes, 0)
        .map_err(Failure::bad_input)?;
    network.load(&fixture).map_err(|error| {
        Failure::bad_input(anyhow!(error).context(format!("--fixture `{path}`")))
    })?;
    let parameters = network.parameters();
    let adam = Adam {
        learning_rate: args.lr,
        beta1: args.beta1,
        beta2: args.beta2,
        epsilon: args.epsilon,
        weight_decay: args.weight_decay,
    };
    let mut training = Training::on_one_batch_on(&device, network, &adam, &images, &labels, 1)
        .map_err(Failure::bad_input)?;
    let history =
        training.fit(args.steps, &mut |_| ControlFlow::Continue(())).map_err(Failure::run_time)?;
    let losses: Vec<Option<f64>> = history.epochs.iter().map(|epoch| epoch.loss).collect();
    if args.json {
        return output::print_json(&json!({ "losses": losses, "parameters": parameters }));
    }
    output::print(&format!("{parameters} parameters"));
    for (step, loss) in losses.iter().enumerate() {
        let loss = loss.map_or("not finite".to_owned(), |loss| format!("{loss:.6}"));
        output::print(&format!("step {step}: {loss}"));
    }
    Ok(())
}
