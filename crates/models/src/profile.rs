//! Profiling: the layers of a network one by one, so that their costs can be measured.
//!
//! A profile calls its observer once for each pass of each layer, with a function that performs this pass
//! alone, any number of times, on a batch in memory. The observer decides what to measure and how often.

use std::ops::ControlFlow;

/// Kind of a layer, as the studies group them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LayerKind {
    /// A convolution, depthwise or not.
    Convolution,
    /// A linear layer.
    Linear,
    /// Batch norm or layer norm.
    Norm,
    /// ReLU or another activation that is a pass of its own or can be measured as a difference.
    Activation,
    /// Max-pool or average-pool.
    Pooling,
    /// Attention with its projections.
    Attention,
    /// Addition, concatenation, change of layout, or gate.
    Other,
}

impl LayerKind {
    /// The kind's name in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Convolution => "convolution",
            Self::Linear => "linear",
            Self::Norm => "norm",
            Self::Activation => "activation",
            Self::Pooling => "pooling",
            Self::Attention => "attention",
            Self::Other => "other",
        }
    }
}

/// Direction of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// Computes a layer's output.
    Forward,
    /// Computes its gradients.
    Backward,
}

impl Pass {
    /// The direction in one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// The work of one pass of one layer over a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LayerWork {
    /// Name and shape of the layer.
    pub layer: String,
    /// Kind of the layer.
    pub kind: LayerKind,
    /// Direction of the pass.
    pub pass: Pass,
    /// Floating-point operations for the batch; a multiply-add counts as two.
    pub flops: f64,
    /// The least number of bytes read and written for the batch: each input, weight and output once.
    pub bytes: f64,
    /// How many pixels of each channel of its input an output of a convolution reads: 9 for a kernel of 3×3, 1 for
    /// convolutions in groups and for all other layers.
    pub taps: usize,
    /// Whether the layer is fused with another one, so that its cost is a difference: that of
    /// [`Variant::Whole`] minus that of [`Variant::Without`].
    pub by_difference: bool,
}

impl LayerWork {
    /// Arithmetic intensity in operations per byte (Williams, Waterman and Patterson 2009); `None` for a
    /// pass that reads and writes registers only.
    #[must_use]
    pub fn intensity(&self) -> Option<f64> {
        (self.bytes > 0.0).then(|| self.flops / self.bytes)
    }
}

/// The variant of a pass to perform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The whole pass.
    Whole,
    /// The pass without the layer in question. The same as [`Variant::Whole`] for layers that are not
    /// fused.
    Without,
}

/// A function that measures: it gets the work of a pass and a function that performs it, and says whether to
/// continue. It runs on a thread of rayon's pool, as training steps and forward passes do; from outside the
/// pool, each parallel loop would first have to wake up a thread.
pub type Observer<'a> =
    dyn FnMut(&LayerWork, &mut dyn FnMut(Variant)) -> ControlFlow<()> + Send + 'a;
