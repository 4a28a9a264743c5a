//! `wattlab model forward`: logits of given images with given weights.

use std::{collections::HashMap, path::PathBuf};

use anyhow::{Context, anyhow};
use candle_core::{DType, Device, Tensor};
use models::vision::{VisionError, VisionNetwork};
use serde_json::json;

use crate::{Failure, output};

/// Arguments of `wattlab model forward`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The network, by torchvision's name.
    #[arg(long, value_name = "NAME")]
    arch: String,
    /// A state dict under torchvision's names.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// A tensor `images` of shape `[n][3][height][width]`, float32.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// Where to compute.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The last layer's weights, under the names it has in one network or another.
const CLASSIFIERS: &[&str] = &[
    "fc.weight",
    "classifier.weight",
    "classifier.6.weight",
    "classifier.3.weight",
    "classifier.2.weight",
    "classifier.1.weight",
    "heads.head.weight",
    "head.weight",
];

/// Runs it.
///
/// # Errors
///
/// If a file cannot be read or does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    super::device(&args.device)?;
    let weights = tensors(&args.weights, "--weights")?;
    let mut input = tensors(&args.input, "--input")?;
    let images = input.remove("images").ok_or_else(|| {
        let path = args.input.display();
        Failure::bad_input(anyhow!("--input `{path}` has no tensor `images`"))
    })?;
    let images = images.to_dtype(DType::F32).map_err(Failure::bad_input)?;
    let classes = CLASSIFIERS.iter().find_map(|it| weights.get(*it)?.dim(0).ok()).unwrap_or(1000);
    let fail = |error: VisionError| {
        Failure::bad_input(anyhow!(error).context(format!("--arch {}", args.arch)))
    };
    let network = VisionNetwork::from_tensors(&args.arch, classes, weights).map_err(fail)?;
    let logits = network.forward(&images).map_err(fail)?;
    let shape = logits.dims().to_vec();
    let rows: Vec<Vec<f32>> = logits.to_vec2().map_err(Failure::run_time)?;
    if args.json {
        let flat: Vec<f32> = rows.concat();
        return output::print_json(&json!({ "shape": shape, "logits": flat }));
    }
    for (image, row) in rows.iter().enumerate() {
        let mut best: Vec<(usize, f32)> = row.iter().copied().enumerate().collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        let best: Vec<String> =
            best.iter().take(5).map(|(class, logit)| format!("{class}: {logit:.4}")).collect();
        output::print(&format!("image {image}: {}", best.join(", ")));
    }
    Ok(())
}

/// Every tensor of a `.safetensors` file.
pub(super) fn tensors(path: &PathBuf, flag: &str) -> Result<HashMap<String, Tensor>, Failure> {
    candle_core::safetensors::load(path, &Device::Cpu)
        .with_context(|| format!("{flag}: failed to read `{}` as safetensors", path.display()))
        .map_err(Failure::bad_input)
}
