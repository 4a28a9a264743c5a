//! Flags that select a network and its size.

use anyhow::anyhow;
use models::{Device, Network};
use record::{Adam, NetworkKind, StudyNetwork};
use units::limits;

use crate::{Failure, device::device, memory};

/// One of the study's networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Convolution blocks followed by linear layers.
    SimpleCnn,
    /// Linear layers, each half as wide as the one before.
    DensePoly,
    /// Linear layers whose widths decrease linearly.
    DenseLinear,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::SimpleCnn, Self::DensePoly, Self::DenseLinear];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::SimpleCnn => "simple_cnn",
            Self::DensePoly => "dense_poly",
            Self::DenseLinear => "dense_linear",
        }
    }
}

/// The size of one of the study's networks.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Shape {
    /// Channels of the images.
    #[arg(long, default_value_t = 1, value_parser = limits::CHANNELS.parser::<usize>())]
    pub(super) channels: usize,
    /// Side of the images in pixels.
    #[arg(long, default_value_t = 28, value_parser = limits::IMAGE_SIDE.parser::<usize>())]
    pub(super) side: usize,
    /// Number of convolution blocks (`simple_cnn` only).
    #[arg(long, default_value_t = 2, value_parser = limits::LAYERS.parser::<u32>())]
    pub(super) conv: u32,
    /// Number of linear layers, including the classifier.
    #[arg(long, default_value_t = 3, value_parser = limits::LAYERS.parser::<u32>())]
    pub(super) linear: u32,
    /// Leave out the ReLU after each convolution.
    #[arg(long)]
    pub(super) no_relu: bool,
}

impl Shape {
    pub(super) fn network(&self, kind: Kind) -> StudyNetwork {
        let (kind, conv) = match kind {
            Kind::SimpleCnn => (NetworkKind::SimpleCnn, self.conv),
            Kind::DensePoly => (NetworkKind::DensePoly, 0),
            Kind::DenseLinear => (NetworkKind::DenseLinear, 0),
        };
        StudyNetwork { kind, conv, linear: self.linear, relu: !self.no_relu }
    }
}

/// The network that is measured, on random data.
#[derive(Debug, clap::Args)]
pub(super) struct Subject {
    /// One of the study's networks, for training.
    #[arg(long, required_unless_present = "arch", conflicts_with = "arch")]
    net: Option<Kind>,
    #[command(flatten)]
    pub(super) shape: Shape,
    /// A vision network for inference: by torchvision's name (see `wattlab model list`), or by the path of a
    /// network's file (`FILE.toml`, `FILE.onnx`).
    #[arg(long, value_name = "NAME|FILE")]
    arch: Option<String>,
    /// Batch size [default: 512 for --net, 8 for --arch].
    #[arg(long, value_parser = limits::BATCH.parser::<usize>())]
    batch: Option<usize>,
    /// Number of threads [default: one per processor].
    #[arg(long, value_parser = limits::THREADS.parser::<usize>())]
    threads: Option<usize>,
    /// Device to compute on: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// A network of one of the two kinds.
pub(super) enum Named<'a> {
    Study(Kind),
    Vision(&'a str),
}

impl Subject {
    /// Opens the device and starts the threads. Returns the network, the batch size and the device.
    ///
    /// # Errors
    ///
    /// If the device cannot be used.
    pub(super) fn start(&self) -> Result<(Named<'_>, usize, Device), Failure> {
        let device = device(&self.device)?;
        memory::use_threads(self.threads)
            .map_err(|error| Failure::BadInput(error.context("--threads")))?;
        match (&self.net, &self.arch) {
            (Some(kind), _) => Ok((Named::Study(*kind), self.batch.unwrap_or(512), device)),
            (None, Some(arch)) => Ok((Named::Vision(arch), self.batch.unwrap_or(8), device)),
            (None, None) => Err(Failure::bad_input(anyhow!("give a network by --net or --arch"))),
        }
    }

    /// Builds one of the study's networks with random weights.
    ///
    /// # Errors
    ///
    /// If its sizes do not fit each other.
    pub(super) fn network(&self, kind: Kind) -> Result<Network, Failure> {
        let Shape { channels, side, .. } = self.shape;
        Network::new(&self.shape.network(kind), channels, side, 10, 0).map_err(Failure::bad_input)
    }

    /// `count` images with values in [0, 1], and their labels. The values follow a simple pattern, because
    /// neither time nor energy depends on them.
    ///
    /// # Errors
    ///
    /// If they do not fit into memory.
    pub(super) fn images(&self, count: usize) -> Result<(Vec<f32>, Vec<u32>), Failure> {
        let Shape { channels, side, .. } = self.shape;
        room(count, channels, side, memory::TRAINING)?;
        let values = values(count, channels, side)?;
        let images = (0..values).map(|i| (i % 251) as f32 / 250.0).collect();
        Ok((images, (0..count as u32).map(|i| i % 10).collect()))
    }
}

/// The number of values of `count` square images.
///
/// # Errors
///
/// If it is beyond the limit.
pub(super) fn values(count: usize, channels: usize, side: usize) -> Result<usize, Failure> {
    let factors = [count, channels, side, side].map(|size| size as u64);
    let values = limits::VALUES_IN_MEMORY.product(&factors).map_err(Failure::bad_input)?;
    usize::try_from(values).map_err(Failure::bad_input)
}

/// Checks that a batch of images takes at most a share of the memory.
///
/// # Errors
///
/// If it takes more.
pub(super) fn room(batch: usize, channels: usize, side: usize, share: f64) -> Result<(), Failure> {
    memory::fits(batch, channels, side, share)
        .map_err(|error| Failure::BadInput(error.context("--batch")))
}

/// Settings of the optimizer for training on random data.
pub(super) const ADAM: Adam =
    Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
