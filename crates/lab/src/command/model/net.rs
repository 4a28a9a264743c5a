//! The flags that name one of the study's networks.

use anyhow::{Context, anyhow};
use models::{Device, Network};
use record::{Adam, NetworkKind, StudyNetwork};

use crate::{Failure, device::device};

/// Which network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Kind {
    /// Convolution blocks, then linear layers.
    SimpleCnn,
    /// Linear layers whose widths halve.
    DensePoly,
    /// Linear layers whose widths fall linearly.
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

/// Its size.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Shape {
    /// Channels of an image.
    #[arg(long, default_value_t = 1)]
    pub(super) channels: usize,
    /// Pixels of an image's side.
    #[arg(long, default_value_t = 28)]
    pub(super) side: usize,
    /// Convolution blocks, of `simple_cnn`.
    #[arg(long, default_value_t = 2)]
    pub(super) conv: u32,
    /// Linear layers, the classifier included.
    #[arg(long, default_value_t = 3)]
    pub(super) linear: u32,
    /// Without the ReLU behind each convolution.
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

/// A network on random data.
#[derive(Debug, clap::Args)]
pub(super) struct Subject {
    /// One of the study's networks: training.
    #[arg(long, required_unless_present = "arch", conflicts_with = "arch")]
    net: Option<Kind>,
    #[command(flatten)]
    pub(super) shape: Shape,
    /// A vision network, by torchvision's name: inference.
    #[arg(long, value_name = "NAME")]
    arch: Option<String>,
    /// Images at a time; 512 for the study's networks and 8 for vision networks unless said otherwise.
    #[arg(long)]
    batch: Option<usize>,
    /// Threads; all processors unless said otherwise.
    #[arg(long)]
    threads: Option<usize>,
    /// Where to compute: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu")]
    device: String,
}

/// Which network of the two kinds.
pub(super) enum Named<'a> {
    Study(Kind),
    Vision(&'a str),
}

impl Subject {
    /// Checks the flags and starts the threads; the network, its batch and its device.
    ///
    /// # Errors
    ///
    /// If a flag makes no sense.
    pub(super) fn start(&self) -> Result<(Named<'_>, usize, Device), Failure> {
        let device = device(&self.device)?;
        at_least_one("batch", self.batch)?;
        at_least_one("threads", self.threads)?;
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .context("--threads")
                .map_err(Failure::run_time)?;
        }
        match (&self.net, &self.arch) {
            (Some(kind), _) => Ok((Named::Study(*kind), self.batch.unwrap_or(512), device)),
            (None, Some(arch)) => Ok((Named::Vision(arch), self.batch.unwrap_or(8), device)),
            (None, None) => Err(Failure::bad_input(anyhow!("--net or --arch is needed"))),
        }
    }

    /// One of the study's networks, with random weights.
    ///
    /// # Errors
    ///
    /// If there is no such network.
    pub(super) fn network(&self, kind: Kind) -> Result<Network, Failure> {
        let Shape { channels, side, .. } = self.shape;
        Network::new(&self.shape.network(kind), channels, side, 10, 0).map_err(Failure::bad_input)
    }

    /// So many images for it, in [0, 1], and their labels: a gray ramp with some structure; neither
    /// time nor energy depends on them.
    pub(super) fn images(&self, count: usize) -> (Vec<f32>, Vec<u32>) {
        let values = count * self.shape.channels * self.shape.side.pow(2);
        let images = (0..values).map(|it| (it % 251) as f32 / 250.0).collect();
        (images, (0..count as u32).map(|it| it % 10).collect())
    }
}

/// # Errors
///
/// If it is 0.
pub(super) fn at_least_one(flag: &str, value: Option<usize>) -> Result<(), Failure> {
    match value {
        Some(0) => Err(Failure::bad_input(anyhow!("--{flag} is 0, expected at least 1"))),
        _ => Ok(()),
    }
}

/// What a training on random data is done with.
pub(super) const ADAM: Adam =
    Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
