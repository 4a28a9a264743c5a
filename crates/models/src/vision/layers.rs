//! The few layers that every network is made of. Images are `[n][h][w][c]`.

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::{
    VisionError,
    resident::{Image, Walk},
};
pub(super) use crate::kernels::image::Activation;
use crate::kernels::image::{
    AveragePool, Conv, Depthwise, Gate, GlobalAverage, Interleave, LayerNorm, MaxPool, ScaleShift,
};
use crate::profile::LayerKind;

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

    /// The same on a device.
    fn resident(&self, walk: &Walk<'_>, x: Image) -> std::result::Result<Image, VisionError>;

    /// What it is, and its floating-point operations on x.
    fn about(&self, x: &Tensor) -> (&'static str, LayerKind, f64);
}

/// What a network does at a time.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Layer(&'a Layer),
    Add,
    Concatenate,
    Shuffle,
}

/// Who performs the steps of a forward pass.
pub(super) trait Watch {
    /// Runs a step on x.
    fn step(
        &mut self,
        step: Step<'_>,
        x: &Tensor,
        run: &dyn Fn() -> Result<Tensor>,
    ) -> Result<Tensor>;
}

/// Nobody looks.
pub(super) struct Unwatched;

impl Watch for Unwatched {
    fn step(
        &mut self,
        _: Step<'_>,
        _: &Tensor,
        run: &dyn Fn() -> Result<Tensor>,
    ) -> Result<Tensor> {
        run()
    }
}

impl Layer {
    pub(super) fn forward(&self, x: &Tensor, watch: &mut dyn Watch) -> Result<Tensor> {
        let it = Step::Layer(self);
        match self {
            Self::Conv(conv) => watch.step(it, x, &|| conv.forward(x, None)),
            Self::Depthwise(operation) => watch.step(it, x, &|| x.apply_op1_no_bwd(operation)),
            Self::Linear(linear) => watch.step(it, x, &|| linear.forward(x)),
            Self::ScaleShift(operation) => watch.step(it, x, &|| x.apply_op1_no_bwd(operation)),
            Self::LayerNorm(operation) => watch.step(it, x, &|| x.apply_op1_no_bwd(operation)),
            Self::MaxPool(pool) => watch.step(it, x, &|| x.apply_op1_no_bwd(pool)),
            Self::AveragePool(pool) => watch.step(it, x, &|| x.apply_op1_no_bwd(pool)),
            Self::GlobalAvgPool => watch.step(it, x, &|| x.apply_op1_no_bwd(&GlobalAverage)),
            Self::Flatten => watch.step(it, x, &|| x.permute((0, 3, 1, 2))?.flatten_from(1)),
            Self::Sequence(layers) => {
                layers.iter().try_fold(x.clone(), |x, it| it.forward(&x, watch))
            }
            Self::Residual { path, shortcut, relu } => {
                let kept = match shortcut {
                    Some(it) => it.forward(x, watch)?,
                    None => x.clone(),
                };
                path.forward_onto(x, &kept, *relu, watch)
            }
            Self::Grow(path) => {
                let grown = path.forward(x, watch)?;
                watch.step(Step::Concatenate, x, &|| Tensor::cat(&[x, &grown], D::Minus1))
            }
            Self::Branches(paths) => {
                let parts: Vec<Tensor> =
                    paths.iter().map(|it| it.forward(x, watch)).collect::<Result<_>>()?;
                watch.step(Step::Concatenate, x, &|| Tensor::cat(&parts, D::Minus1))
            }
            Self::HalfAndShuffle(path) => {
                let half = x.dim(D::Minus1)? / 2;
                let kept = x.narrow(D::Minus1, 0, half)?;
                let path = path.forward(&x.narrow(D::Minus1, half, half)?, watch)?;
                watch.step(Step::Shuffle, x, &|| kept.apply_op2_no_bwd(&path, &Interleave))
            }
            Self::BranchesAndShuffle(a, b) => {
                let (a, b) = (a.forward(x, watch)?, b.forward(x, watch)?);
                watch.step(Step::Shuffle, x, &|| a.apply_op2_no_bwd(&b, &Interleave))
            }
            Self::Gated(path) => {
                let factors = path.forward(x, watch)?;
                watch.step(it, x, &|| x.apply_op2_no_bwd(&factors, &Gate))
            }
            Self::Special(layer) => watch.step(it, x, &|| layer.forward(x)),
        }
    }

    /// The same for a batch: some images at a time through the layers that work on images, so that
    /// what one layer writes is still near when the next reads it; then all of them through the rest.
    pub(super) fn forward_by_parts(&self, x: &Tensor, part: usize) -> Result<Tensor> {
        let n = x.dim(0)?;
        let Self::Sequence(layers) = self else { return self.forward(x, &mut Unwatched) };
        let images = layers
            .iter()
            .position(|it| matches!(it, Self::Flatten | Self::GlobalAvgPool))
            .map_or(layers.len(), |it| it + 1);
        if n <= part {
            return self.forward(x, &mut Unwatched);
        }
        let run = |layers: &[Layer], x: Tensor| {
            layers.iter().try_fold(x, |x, it| it.forward(&x, &mut Unwatched))
        };
        let parts: Vec<Tensor> = (0..n.div_ceil(part))
            .into_par_iter()
            .map(|index| index * part)
            .map(|start| run(&layers[..images], x.narrow(0, start, part.min(n - start))?))
            .collect::<Result<_>>()?;
        run(&layers[images..], Tensor::cat(&parts, 0)?)
    }

    /// `relu?(self(x) + kept)`, in the last convolution's own pass where there is one.
    fn forward_onto(
        &self,
        x: &Tensor,
        kept: &Tensor,
        relu: bool,
        watch: &mut dyn Watch,
    ) -> Result<Tensor> {
        let it = Step::Layer(self);
        match self {
            Self::Conv(conv) if conv.adds_before(relu) => {
                watch.step(it, x, &|| conv.forward(x, Some(kept)))
            }
            Self::Linear(Linear(conv)) if conv.adds_before(relu) => {
                watch.step(it, x, &|| linear(conv, x, Some(kept)))
            }
            Self::Sequence(layers) => match layers.split_last() {
                Some((last, rest)) => {
                    let x = rest.iter().try_fold(x.clone(), |x, it| it.forward(&x, watch))?;
                    last.forward_onto(&x, kept, relu, watch)
                }
                None => Ok(x.clone()),
            },
            _ => {
                let out = self.forward(x, watch)?;
                watch.step(Step::Add, &out, &|| {
                    let sum = (&out + kept)?;
                    if relu { sum.relu() } else { Ok(sum) }
                })
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
