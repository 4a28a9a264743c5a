//! The few layers that every network is made of. Images are `[n][h][w][c]`.

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

pub(super) use crate::kernels::image::Activation;
use crate::kernels::image::{
    AveragePool, Conv, Depthwise, Gate, GlobalAverage, Interleave, LayerNorm, MaxPool, ScaleShift,
};

/// A part of a network.
pub(super) enum Layer {
    Conv(Conv),
    Depthwise(Depthwise),
    Linear(Linear),
    /// Batch norm and ReLU of an image.
    ScaleShift(ScaleShift),
    LayerNorm(LayerNorm),
    MaxPool(MaxPool),
    AveragePool(AveragePool),
    /// Mean over the image: `[n][c]`.
    GlobalAvgPool,
    /// To `[n][c·h·w]`, channels first as PyTorch counts them.
    Flatten,
    Sequence(Vec<Layer>),
    /// `relu?(path(x) + shortcut(x))`; without a shortcut x itself.
    Residual {
        path: Box<Layer>,
        shortcut: Option<Box<Layer>>,
        relu: bool,
    },
    /// `[x, path(x)]` side by side.
    Grow(Box<Layer>),
    /// All paths on x, side by side.
    Branches(Vec<Layer>),
    /// ShuffleNet's unit: half of the channels as they are, half through a path, shuffled.
    HalfAndShuffle(Box<Layer>),
    /// ShuffleNet's down-sampling unit: two paths, shuffled.
    BranchesAndShuffle(Box<Layer>, Box<Layer>),
    /// `x · path(x)`, where the path ends with a factor for each channel of each image.
    Gated(Box<Layer>),
    /// What one family of networks alone has.
    Special(Box<dyn Special>),
}

/// A layer that one family of networks alone has.
pub(super) trait Special: Send + Sync {
    fn forward(&self, x: &Tensor) -> Result<Tensor>;
}

impl Layer {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Conv(conv) => conv.forward(x, None),
            Self::Depthwise(operation) => x.apply_op1_no_bwd(operation),
            Self::Linear(linear) => linear.forward(x),
            Self::ScaleShift(operation) => x.apply_op1_no_bwd(operation),
            Self::LayerNorm(operation) => x.apply_op1_no_bwd(operation),
            Self::MaxPool(pool) => x.apply_op1_no_bwd(pool),
            Self::AveragePool(pool) => x.apply_op1_no_bwd(pool),
            Self::GlobalAvgPool => x.apply_op1_no_bwd(&GlobalAverage),
            Self::Flatten => x.permute((0, 3, 1, 2))?.flatten_from(1),
            Self::Sequence(layers) => layers.iter().try_fold(x.clone(), |x, it| it.forward(&x)),
            Self::Residual { path, shortcut, relu } => {
                let kept = shortcut.as_ref().map_or_else(|| Ok(x.clone()), |it| it.forward(x))?;
                path.forward_onto(x, &kept, *relu)
            }
            Self::Grow(path) => Tensor::cat(&[x, &path.forward(x)?], D::Minus1),
            Self::Branches(paths) => {
                let parts: Vec<Tensor> =
                    paths.iter().map(|it| it.forward(x)).collect::<Result<_>>()?;
                Tensor::cat(&parts, D::Minus1)
            }
            Self::HalfAndShuffle(path) => {
                let half = x.dim(D::Minus1)? / 2;
                let kept = x.narrow(D::Minus1, 0, half)?;
                let path = path.forward(&x.narrow(D::Minus1, half, half)?)?;
                kept.apply_op2_no_bwd(&path, &Interleave)
            }
            Self::BranchesAndShuffle(a, b) => {
                a.forward(x)?.apply_op2_no_bwd(&b.forward(x)?, &Interleave)
            }
            Self::Gated(path) => x.apply_op2_no_bwd(&path.forward(x)?, &Gate),
            Self::Special(layer) => layer.forward(x),
        }
    }

    /// The same for a batch: some images at a time through the layers that work on images, so that
    /// what one layer writes is still near when the next reads it; then all of them through the rest.
    pub(super) fn forward_by_parts(&self, x: &Tensor, part: usize) -> Result<Tensor> {
        let n = x.dim(0)?;
        let Self::Sequence(layers) = self else { return self.forward(x) };
        let images = layers
            .iter()
            .position(|it| matches!(it, Self::Flatten | Self::GlobalAvgPool))
            .map_or(layers.len(), |it| it + 1);
        if n <= part {
            return self.forward(x);
        }
        let run = |layers: &[Layer], x: Tensor| layers.iter().try_fold(x, |x, it| it.forward(&x));
        let parts: Vec<Tensor> = (0..n.div_ceil(part))
            .into_par_iter()
            .map(|index| index * part)
            .map(|start| run(&layers[..images], x.narrow(0, start, part.min(n - start))?))
            .collect::<Result<_>>()?;
        run(&layers[images..], Tensor::cat(&parts, 0)?)
    }

    /// `relu?(self(x) + kept)`, in the last convolution's own pass where there is one.
    fn forward_onto(&self, x: &Tensor, kept: &Tensor, relu: bool) -> Result<Tensor> {
        match self {
            Self::Conv(conv) if conv.adds_before(relu) => conv.forward(x, Some(kept)),
            Self::Linear(Linear(conv)) if conv.adds_before(relu) => linear(conv, x, Some(kept)),
            Self::Sequence(layers) => match layers.split_last() {
                Some((last, rest)) => {
                    let x = rest.iter().try_fold(x.clone(), |x, it| it.forward(&x))?;
                    last.forward_onto(&x, kept, relu)
                }
                None => Ok(x.clone()),
            },
            _ => {
                let sum = (self.forward(x)? + kept)?;
                if relu { sum.relu() } else { Ok(sum) }
            }
        }
    }
}

/// A linear layer over the last axis, of rows or of every pixel: a 1×1 convolution.
pub(super) struct Linear(pub(super) Conv);

impl Linear {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(&self.0, x, None)
    }
}

fn linear(conv: &Conv, x: &Tensor, kept: Option<&Tensor>) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let features = dims.pop().unwrap_or(1);
    let rows = dims.iter().product::<usize>();
    let output = conv.shape().output;
    let x = x.contiguous()?.reshape((1, 1, rows, features))?;
    dims.push(output);
    let kept = kept.map(|it| it.contiguous()?.reshape((1, 1, rows, output))).transpose()?;
    conv.forward(&x, kept.as_ref())?.reshape(dims)
}
