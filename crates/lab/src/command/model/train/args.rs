//! Flags of `wattlab model train`.

use std::path::PathBuf;

use record::Adam;
use units::limits;

use super::super::net::{Kind, Shape};
use crate::engine::EngineFlag;

/// Arguments of `wattlab model train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One of the study's networks, trained on the batch of a file.
    #[arg(long, required_unless_present = "arch", conflicts_with = "arch", requires = "fixture")]
    pub(super) net: Option<Kind>,
    /// A vision network by torchvision's name (see `wattlab model list`) or a network file (`.toml`), trained on a
    /// data set.
    #[arg(long, value_name = "NAME|FILE.toml", requires = "data")]
    pub(super) arch: Option<String>,
    /// With --net: a safetensors file with the initial weights (`layers.N.*`), `images`
    /// `[n][channels][side][side]` and `labels` `[n]`.
    #[arg(long, value_name = "FILE", conflicts_with = "arch")]
    pub(super) fixture: Option<PathBuf>,
    /// With --net: number of optimizer steps.
    #[arg(long, default_value_t = 20, value_parser = limits::STEPS.parser::<u32>())]
    pub(super) steps: u32,
    /// With --net: channels of the images.
    #[arg(long, default_value_t = 1, value_parser = limits::CHANNELS.parser::<usize>())]
    pub(super) channels: usize,
    /// Side of the network's images in pixels [default: 28 with --net; with --arch that of the data set, or the
    /// smallest side that the network accepts if that is larger]. With --arch, images are resized to it by
    /// bilinear interpolation.
    #[arg(long, value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    pub(super) side: Option<usize>,
    /// With --net: number of convolution blocks (`simple_cnn` only).
    #[arg(long, default_value_t = 2, value_parser = limits::LAYERS.parser::<u32>())]
    pub(super) conv: u32,
    /// With --net: number of linear layers, including the classifier.
    #[arg(long, default_value_t = 3, value_parser = limits::LAYERS.parser::<u32>())]
    pub(super) linear: u32,
    /// With --net: leave out the ReLU after each convolution.
    #[arg(long)]
    pub(super) no_relu: bool,
    /// Learning rate.
    #[arg(long, default_value_t = 1e-3, value_parser = limits::LEARNING_RATE.parser())]
    pub(super) lr: f64,
    /// Adam's β₁.
    #[arg(long, default_value_t = 0.9, value_parser = limits::DECAY.parser())]
    pub(super) beta1: f64,
    /// Adam's β₂.
    #[arg(long, default_value_t = 0.999, value_parser = limits::DECAY.parser())]
    pub(super) beta2: f64,
    /// Adam's ε.
    #[arg(long, default_value = "1e-8", value_parser = limits::COEFFICIENT.parser())]
    pub(super) epsilon: f64,
    /// Weight decay (L2 penalty).
    #[arg(long, default_value_t = 0.0, value_parser = limits::COEFFICIENT.parser())]
    pub(super) weight_decay: f64,
    /// Device to compute on: `cpu`, `cuda` or `cuda:N`; only `cpu` with --arch.
    #[arg(long, default_value = "cpu")]
    pub(super) device: String,
    #[command(flatten)]
    pub(super) images: ImageFlags,
    /// Print one JSON document.
    #[arg(long)]
    pub(super) json: bool,
}

impl Args {
    pub(super) fn adam(&self) -> Adam {
        Adam {
            learning_rate: self.lr,
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
        }
    }

    pub(super) fn shape(&self) -> Shape {
        Shape {
            channels: self.channels,
            side: self.side.unwrap_or(28),
            conv: self.conv,
            linear: self.linear,
            no_relu: self.no_relu,
        }
    }
}

/// Flags of `wattlab model train --arch`.
#[derive(Debug, clap::Args)]
pub(super) struct ImageFlags {
    /// With --arch: a known data set (see `wattlab datasets list`), or the path of your own: a folder with a folder
    /// of JPEG or PNG files for each class, of IDX or of CIFAR files; an IDX file; or a CSV file with lines
    /// `path,label`. Without test images of its own, a fifth of the images are chosen for that by --seed.
    #[arg(long, value_name = "NAME|PATH", requires = "arch")]
    pub(super) data: Option<String>,
    /// Folder with the files of known data sets.
    #[arg(long, value_name = "DIR", requires = "data")]
    pub(super) data_dir: Option<PathBuf>,
    /// Number of training images, of known data sets from the first on [default: all].
    #[arg(long, value_name = "N", requires = "data", value_parser = limits::IMAGES.parser::<usize>())]
    pub(super) train_images: Option<usize>,
    /// Number of test images, of known data sets from the first on [default: all].
    #[arg(long, value_name = "N", requires = "data", value_parser = limits::IMAGES_OR_NONE.parser::<usize>())]
    pub(super) test_images: Option<usize>,
    /// With --arch: passes over the training images.
    #[arg(long, default_value_t = 10, value_parser = limits::EPOCHS.parser::<u32>())]
    pub(super) epochs: u32,
    /// With --arch: images of one optimizer step.
    #[arg(long, default_value_t = 32, value_parser = limits::BATCH.parser::<usize>())]
    pub(super) batch: usize,
    /// With --arch: let the learning rate fall to 0 along half a cosine.
    #[arg(long, requires = "arch")]
    pub(super) cosine: bool,
    /// With --arch: determines the initial weights, the order of the images, what dropout leaves out, and which of
    /// your own images are tested on.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
    /// With --arch: initial weights, a state dict (`.safetensors`, or PyTorch's `.pth`) [default: random].
    #[arg(long, value_name = "FILE", requires = "arch")]
    pub(super) weights: Option<PathBuf>,
    /// Begin with a new classifier for the classes of the data set, whatever the classifier of --weights.
    #[arg(long, requires = "weights")]
    pub(super) new_head: bool,
    /// Train the classifier only. All other layers stay as they are, statistics of batch norm included.
    #[arg(long, requires = "weights")]
    pub(super) freeze: bool,
    /// With --arch: whose layers compute: `fused` (our kernels) or `candle` (candle-nn's).
    #[arg(long, default_value = "fused")]
    pub(super) engine: EngineFlag,
    /// Write the weights to this safetensors file after each epoch. With FILE.state beside it, the same command
    /// continues an interrupted training; that file is removed at the end.
    #[arg(long, value_name = "FILE", requires = "arch")]
    pub(super) out: Option<PathBuf>,
}
