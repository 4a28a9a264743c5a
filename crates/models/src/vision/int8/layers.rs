//! Layers of 8-bit integers.

use candle_core::Result;

use crate::kernels::{
    bytes::{AddBytes, ByteConv, ByteDepthwise, ByteImages, ByteMean, ByteSet, largest_of},
    image::MaxPool,
};

/// A layer, or several layers that are connected.
pub(super) enum ByteLayer {
    Conv(ByteConv),
    Depthwise(ByteDepthwise),
    MaxPool(ByteSet, MaxPool),
    Mean(ByteMean),
    /// Rows of features, channels first.
    Flatten,
    Sequence(Vec<ByteLayer>),
    Residual {
        path: Vec<ByteLayer>,
        shortcut: Option<Box<ByteLayer>>,
        add: Addition,
    },
}

/// What adds the shortcut to the path.
pub(super) enum Addition {
    /// The path's last layer.
    Last(ByteConv),
    /// An operation of its own.
    After(AddBytes),
}

impl ByteLayer {
    /// The layer's output for x, computed by about this number of tasks.
    pub(super) fn forward(&self, x: &ByteImages, tasks: usize) -> Result<ByteImages> {
        match self {
            Self::Conv(conv) => conv.forward(x, None, tasks),
            Self::Depthwise(conv) => conv.forward(x, tasks),
            Self::MaxPool(set, pool) => largest_of(*set, pool, x, tasks),
            Self::Mean(mean) => mean.forward(x, tasks),
            Self::Flatten => Ok(x.flatten()),
            Self::Sequence(layers) => {
                let Some((first, rest)) = layers.split_first() else { return Ok(x.clone()) };
                let x = first.forward(x, tasks)?;
                rest.iter().try_fold(x, |x, layer| layer.forward(&x, tasks))
            }
            Self::Residual { path, shortcut, add } => {
                let kept = shortcut.as_ref().map(|layer| layer.forward(x, tasks)).transpose()?;
                let kept = kept.as_ref().unwrap_or(x);
                let mut out = None;
                for layer in path {
                    out = Some(layer.forward(out.as_ref().unwrap_or(x), tasks)?);
                }
                let out = out.as_ref().unwrap_or(x);
                match add {
                    Addition::Last(conv) => conv.forward(out, Some(kept), tasks),
                    Addition::After(add) => add.forward(out, kept, tasks),
                }
            }
        }
    }

    /// Bytes of weights that the layer reads for a batch.
    pub(super) fn weights(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.bytes(),
            Self::Depthwise(conv) => conv.bytes(),
            Self::Sequence(layers) => layers.iter().map(Self::weights).sum(),
            Self::Residual { path, shortcut, add } => {
                let last = match add {
                    Addition::Last(conv) => conv.bytes(),
                    Addition::After(_) => 0,
                };
                let shortcut = shortcut.as_ref().map_or(0, |layer| layer.weights());
                path.iter().map(Self::weights).sum::<usize>() + shortcut + last
            }
            Self::MaxPool(..) | Self::Mean(_) | Self::Flatten => 0,
        }
    }

    /// Whether its output has no rows and columns any more.
    pub(super) fn ends_images(&self) -> bool {
        matches!(self, Self::Flatten | Self::Mean(_))
    }
}
