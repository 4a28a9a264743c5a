//! `wattlab model forward`: computes logits for given images and weights.

use std::{
    collections::HashMap,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use candle_core::{DType, Device, Tensor};
use models::vision::{Preprocessing, Pretrained, VisionError, VisionNetwork, imagenet_class};
use serde_json::{Value, json};

use super::weights::Weights;
use crate::{
    Failure,
    device::{cpu_only, device},
    output,
};

/// Arguments of `wattlab model forward`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The network by torchvision's name (see `wattlab model list`), or the path of a network's file
    /// (`FILE.toml`, `FILE.onnx`).
    #[arg(long, value_name = "NAME|FILE")]
    arch: String,
    #[command(flatten)]
    weights: Weights,
    /// A safetensors file with a tensor `images`: float32
    /// `[n][channels][height][width]`, already normalized.
    #[arg(long, value_name = "FILE", required_unless_present = "image")]
    input: Option<PathBuf>,
    /// A photograph (JPEG or PNG); may be given several times. It is resized, cropped and normalized as
    /// torchvision does for these weights.
    #[arg(long, value_name = "FILE", conflicts_with = "input")]
    image: Vec<PathBuf>,
    /// Convert `--input` from ImageNet's normalization to the range [-1, 1] that the published weights of
    /// `googlenet` and `inception_v3` expect (torchvision's `transform_input`).
    #[arg(long, requires = "input")]
    transform_input: bool,
    /// Device to compute on; only `cpu` is supported.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Number of classes of ImageNet-1k.
const IMAGENET: usize = 1000;

/// Predictions printed for each image.
const PREDICTIONS: usize = 5;

/// Runs `wattlab model forward`.
///
/// # Errors
///
/// If a file cannot be read or does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let device = device(&args.device)?;
    if device.name() != "cpu" {
        return Err(Failure::bad_input(cpu_only("inference with given weights", &device)));
    }
    let (weights, published) = args.weights.read(&args.arch)?;
    let images = match &args.input {
        Some(path) => given(path, args)?,
        None => photographs(args, published)?,
    };
    let fail = |error: VisionError| {
        Failure::bad_input(anyhow!(error).context(format!("--arch {}", args.arch)))
    };
    let network = VisionNetwork::open(&args.arch, None, Some(weights), 0).map_err(fail)?;
    let logits = network.forward(&images).map_err(fail)?;
    let rows: Vec<Vec<f32>> = logits.to_vec2().map_err(Failure::run_time)?;
    let predictions: Vec<Vec<Prediction>> = rows.iter().map(|row| Prediction::best(row)).collect();
    let name = |image: usize| match args.image.get(image) {
        Some(path) => path.display().to_string(),
        None => format!("image {image}"),
    };
    if args.json {
        let mut document = json!({ "shape": logits.dims(), "logits": rows.concat() });
        let images = predictions.iter().enumerate().map(|(image, best)| {
            let best: Vec<Value> = best.iter().map(Prediction::json).collect();
            json!({ "image": name(image), "predictions": best })
        });
        document["images"] = images.collect();
        if let (Some(published), false) = (published, args.image.is_empty()) {
            let Preprocessing { resize, crop, bicubic, mean, deviation } = published.preprocessing;
            document["preprocessing"] = json!({
                "resize": resize,
                "crop": crop,
                "interpolation": if bicubic { "bicubic" } else { "bilinear" },
                "mean": mean,
                "deviation": deviation,
            });
        }
        return output::print_json(&document);
    }
    for (image, best) in predictions.iter().enumerate() {
        output::print(&format!("{}:", name(image)));
        for prediction in best {
            let percent = prediction.probability * 100.0;
            output::print(&format!("  {percent:>6.2} %  {}", prediction.class_name()));
        }
    }
    Ok(())
}

/// Reads the tensor `images` of a file.
fn given(path: &Path, args: &Args) -> Result<Tensor, Failure> {
    let mut input = tensors(path, "--input")?;
    let images = input.remove("images").ok_or_else(|| {
        Failure::bad_input(anyhow!("--input `{}` has no tensor `images`", path.display()))
    })?;
    if images.rank() != 4 || images.elem_count() == 0 {
        return Err(Failure::bad_input(anyhow!(
            "--input `{}`: `images` has shape {:?}, expected [n, channels, height, width] without a 0",
            path.display(),
            images.dims()
        )));
    }
    let images = images.to_dtype(DType::F32).map_err(Failure::bad_input)?;
    let usual = Pretrained::default_of("resnet18").map(|weights| weights.preprocessing);
    let (Some(usual), Some(own)) = (usual, Pretrained::default_of(&args.arch)) else {
        return Ok(images);
    };
    if !args.transform_input {
        return Ok(images);
    }
    let own = own.preprocessing;
    let change = |channel: usize| {
        let scale = usual.deviation[channel] / own.deviation[channel];
        (scale, (usual.mean[channel] - own.mean[channel]) / own.deviation[channel])
    };
    let per_channel = |part: fn((f32, f32)) -> f32| {
        let values: Vec<f32> = (0..3).map(|channel| part(change(channel))).collect();
        Tensor::from_vec(values, (1, 3, 1, 1), &Device::Cpu)
    };
    per_channel(|(scale, _)| scale)
        .and_then(|scale| images.broadcast_mul(&scale))
        .and_then(|scaled| scaled.broadcast_add(&per_channel(|(_, shift)| shift)?))
        .with_context(|| format!("--input `{}`", path.display()))
        .map_err(Failure::BadInput)
}

fn photographs(args: &Args, published: Option<&Pretrained>) -> Result<Tensor, Failure> {
    let published = published.ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "--image: the preprocessing of `{}` is unknown, because torchvision publishes no weights \
             for it; use --input",
            args.arch
        ))
    })?;
    let fail = |error: VisionError| Failure::BadInput(anyhow!(error).context("--image"));
    let mut images = Vec::new();
    for path in &args.image {
        let prepared = published.preprocessing.prepare(path, 3).map_err(fail)?;
        if let Some(orientation) = prepared.orientation {
            output::line(&orientation_notice(path, orientation));
        }
        images.push(prepared.image);
    }
    Tensor::stack(&images, 0).map_err(Failure::run_time)
}

/// That the orientation of an image is ignored.
pub(super) fn orientation_notice(path: &Path, orientation: u16) -> String {
    format!(
        "`{}`: its EXIF orientation {orientation} is ignored, as in torchvision; turn the image itself if \
         the network should see it upright",
        path.display()
    )
}

/// A class with its probability.
struct Prediction {
    class: usize,
    name: Option<&'static str>,
    logit: f32,
    probability: f64,
}

impl Prediction {
    /// The most likely classes, most likely first.
    fn best(logits: &[f32]) -> Vec<Self> {
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exp = |logit: f32| f64::from(logit - top).exp();
        let sum: f64 = logits.iter().copied().map(exp).sum();
        let mut classes: Vec<usize> = (0..logits.len()).collect();
        classes.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
        let named = logits.len() == IMAGENET;
        let best = classes.into_iter().take(PREDICTIONS).map(|class| Self {
            class,
            name: if named { imagenet_class(class) } else { None },
            logit: logits[class],
            probability: exp(logits[class]) / sum,
        });
        best.collect()
    }

    /// The class by its name and number, or by its number alone.
    fn class_name(&self) -> String {
        match self.name {
            Some(name) => format!("{name} ({})", self.class),
            None => format!("class {}", self.class),
        }
    }

    fn json(&self) -> Value {
        json!({
            "class": self.class,
            "name": self.name,
            "probability": self.probability,
            "logit": self.logit,
        })
    }
}

/// Reads every tensor of a safetensors file.
pub(super) fn tensors(path: &Path, flag: &str) -> Result<HashMap<String, Tensor>, Failure> {
    let context = || format!("{flag}: failed to read `{}` as a safetensors file", path.display());
    let checked = check_safetensors(path).with_context(context).map_err(Failure::BadInput);
    checked?;
    candle_core::safetensors::load(path, &Device::Cpu)
        .with_context(context)
        .map_err(Failure::BadInput)
}

/// Checks that a file is a regular one, and begins as a safetensors file does: with the length of its header (8
/// bytes, little-endian), and JSON. A device or a pipe may never end, and any other file would be read whole.
fn check_safetensors(path: &Path) -> anyhow::Result<()> {
    let file = units::open_regular(path)?;
    let size = file.metadata()?.len();
    let mut start = Vec::new();
    file.take(9).read_to_end(&mut start)?;
    let begins = start.split_first_chunk::<8>().is_some_and(|(length, json)| {
        let end = u64::from_le_bytes(*length).checked_add(8);
        json == b"{" && end.is_some_and(|end| end <= size)
    });
    if !begins {
        return Err(anyhow!("it is another kind of file, or is cut off; save it as safetensors"));
    }
    Ok(())
}
