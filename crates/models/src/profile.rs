//! A network's layers one by one, for whoever measures what they cost.
//!
//! A profile calls its observer once for each pass of each layer, on a batch that lies in memory, with
//! something that performs this pass alone as often as it is asked to. What is measured, and how long,
//! is the observer's.

use crate::Control;

/// What a layer is, as the studies sum them up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LayerKind {
    /// A convolution, depthwise ones included.
    Convolution,
    /// A linear layer.
    Linear,
    /// Batch norm or layer norm.
    Norm,
    /// ReLU and its kin, where it is a pass or can be told apart from one.
    Activation,
    /// Max-pool or average.
    Pooling,
    /// Attention with its projections.
    Attention,
    /// Additions, concatenations, changes of layout, gates.
    Other,
}

impl LayerKind {
    /// In one word.
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

/// Which way through a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pass {
    /// Its output.
    Forward,
    /// Its gradients.
    Backward,
}

impl Pass {
    /// In one word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        }
    }
}

/// One pass of one layer over a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// Which layer, and its shape.
    pub layer: String,
    /// What it is.
    pub kind: LayerKind,
    /// Which way.
    pub pass: Pass,
    /// Floating-point operations of the batch; a multiplication and an addition are two.
    pub flops: f64,
    /// Bytes of the batch that are read or written at least: each input, weight and output once.
    pub bytes: f64,
    /// Whether the layer is fused with another, so that its cost is a difference: that of
    /// [`Variant::Whole`] less that of [`Variant::Without`].
    pub by_difference: bool,
}

impl Work {
    /// Operations a byte (Williams, Waterman and Patterson 2009); `None` of a pass that stays in
    /// registers.
    #[must_use]
    pub fn intensity(&self) -> Option<f64> {
        (self.bytes > 0.0).then(|| self.flops / self.bytes)
    }
}

/// What to perform of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// All of it.
    Whole,
    /// What is left without the layer in question; the same as all where it stands alone.
    Without,
}

/// Who measures: told of each pass, with what performs it. It is called on a thread of rayon's pool,
/// where steps and forward passes run too: from outside, each parallel part would first wake one up.
pub type Observer<'a> = dyn FnMut(&Work, &mut dyn FnMut(Variant)) -> Control + Send + 'a;
