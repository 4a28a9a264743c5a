//! `wattlab model train`: trains on a single batch, for comparisons with other implementations, or a vision network
//! on a data set.

mod data;
mod fixture;
mod images;

use std::path::PathBuf;

use anyhow::anyhow;
use record::Adam;
use units::limits;

use super::net::{Kind, Shape};
use crate::Failure;

/// Arguments of `wattlab model train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One of the study's networks, trained on the batch of a file.
    #[arg(long, required_unless_present = "arch", conflicts_with = "arch", requires = "fixture")]
    net: Option<Kind>,
    /// A vision network by torchvision's name (see `wattlab model list`) or a network file (`.toml`), trained on a
    /// data set.
    #[arg(long, value_name = "NAME|FILE.toml", requires = "data")]
    arch: Option<String>,
    /// With --net: a safetensors file with the initial weights (`layers.N.*`), `images`
    /// `[n][channels][side][side]` and `labels` `[n]`.
    #[arg(long, value_name = "FILE", conflicts_with = "arch")]
    fixture: Option<PathBuf>,
    /// With --net: number of optimizer steps.
    #[arg(long, default_value_t = 20, value_parser = limits::STEPS.parser::<u32>())]
    steps: u32,
    /// With --net: channels of the images.
    #[arg(long, default_value_t = 1, value_parser = limits::CHANNELS.parser::<usize>())]
    channels: usize,
    /// Side of the network's images in pixels [default: 28 with --net; with --arch that of the data set, or the
    /// smallest side that the network accepts if that is larger]. With --arch, images are resized to it by
    /// bilinear interpolation.
    #[arg(long, value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    side: Option<usize>,
    /// With --net: number of convolution blocks (`simple_cnn` only).
    #[arg(long, default_value_t = 2, value_parser = limits::LAYERS.parser::<u32>())]
    conv: u32,
    /// With --net: number of linear layers, including the classifier.
    #[arg(long, default_value_t = 3, value_parser = limits::LAYERS.parser::<u32>())]
    linear: u32,
    /// With --net: leave out the ReLU after each convolution.
    #[arg(long)]
    no_relu: bool,
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
    /// Device to compute on: `cpu`, `cuda` or `cuda:N`; only `cpu` with --arch.
    #[arg(long, default_value = "cpu")]
    device: String,
    #[command(flatten)]
    images: images::Settings,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Args {
    fn adam(&self) -> Adam {
        Adam {
            learning_rate: self.lr,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            channels: self.channels,
            side: self.side.unwrap_or(28),
            conv: self.conv,
            linear: self.linear,
            no_relu: self.no_relu,
        }
    }
}

/// Runs `wattlab model train`.
///
/// # Errors
///
/// If a file, a size or a setting does not fit the network.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match (args.net, &args.fixture, &args.arch) {
        (Some(net), Some(fixture), None) => fixture::run(args, net, fixture),
        (None, _, Some(arch)) => images::run(args, arch),
        _ => Err(Failure::bad_input(anyhow!(
            "give a network by --net with --fixture, or by --arch with --data"
        ))),
    }
}
