//! The flags that name one of the study's networks.

use record::{NetworkKind, StudyNetwork};

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
