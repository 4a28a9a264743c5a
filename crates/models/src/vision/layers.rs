//! The layers that networks are built of. Images are `[n][h][w][c]`.

use candle_core::{D, Result, Tensor};
use rayon::prelude::*;

use super::{
    device_pass::{DeviceTensor, ForwardPass},
    error::VisionError,
};
pub(super) use crate::kernels::image::Activation;
use crate::kernels::image::{
    AveragePool, Conv, Depthwise, Gate, GlobalAverage, Interleave, LayerNorm, MaxPool, ScaleShift,
};
use crate::{layers::Layers, profile::LayerKind};

/// A layer, or several layers that are connected.
pub(super) enum Layer {
    Conv(Conv),
    Depthwise(Depthwise),
    Linear(Linear),
    /// Batch norm and ReLU.
    ScaleShift(ScaleShift),
    LayerNorm(LayerNorm),
    MaxPool(MaxPool),
    AveragePool(AveragePool),
    /// The mean of each channel over the image, `[n][c]`.
    GlobalAvgPool,
    /// Reshapes to `[n][c·h·w]`, channels first as in PyTorch.
    Flatten,
    Sequence(Vec<Layer>),
    /// `relu?(path(x) + shortcut(x))`; without a shortcut, x itself is added.
    Residual {
        path: Box<Layer>,
        shortcut: Option<Box<Layer>>,
        relu: bool,
    },
    /// The channels of x, followed by those of `path(x)`.
    Grow(Box<Layer>),
    /// The channels of every path's output, one path after the other.
    Branches(Vec<Layer>),
    /// ShuffleNet's unit: half of the channels unchanged, half through a path, then interleaved.
    HalfAndShuffle(Box<Layer>),
    /// ShuffleNet's down-sampling unit: two paths, then interleaved.
    BranchesAndShuffle(Box<Layer>, Box<Layer>),
    /// `x · path(x)`, where the path computes a factor for each channel of each image.
    Gated(Box<Layer>),
    /// A layer that only one family of networks has.
    Custom(Box<dyn CustomLayer>),
}

/// How a layer for training is computed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mode {
    /// Whether dropout is active, and batch norm uses the statistics of the batch.
    pub(super) train: bool,
    /// Whose operations compute it.
    pub(super) layers: Layers,
}

/// A layer that only one family of networks has.
pub(super) trait CustomLayer: Send + Sync {
    /// Its output on the CPU.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;

    /// Its output as differentiable operations of candle, where images are `[n][c][h][w]`. Dropout and batch
    /// norm depend on whether the network is being trained.
    ///
    /// # Errors
    ///
    /// If the layer was built for inference.
    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let _ = (x, mode);
        candle_core::bail!("a layer for inference cannot be trained")
    }

    /// As [`CustomLayer::forward_t`], without the ReLU at the end if there is one.
    fn forward_to_add(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.forward_t(x, mode)
    }

    /// Its output on a device.
    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError>;

    /// Its name, its kind, and its floating-point operations for x.
    fn describe(&self, x: &Tensor) -> (&'static str, LayerKind, f64);
}

/// One operation of a forward pass.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Layer(&'a Layer),
    Add,
    Concatenate,
    Shuffle,
}

/// Runs the steps of a forward pass, and may look at each.
pub(super) trait StepObserver {
    /// Calls `run`, which computes the step's output for its input x, and returns the output.
    fn step(
        &mut self,
        step: Step<'_>,
        x: &Tensor,
        run: &dyn Fn() -> Result<Tensor>,
    ) -> Result<Tensor>;
}

/// Runs the steps and does nothing else.
pub(super) struct NoObserver;

impl StepObserver for NoObserver {
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
    /// The layer's output for x on the CPU.
    pub(super) fn forward(&self, x: &Tensor, observer: &mut dyn StepObserver) -> Result<Tensor> {
        let step = Step::Layer(self);
        match self {
            Self::Conv(conv) => observer.step(step, x, &|| conv.forward(x, None)),
            Self::Depthwise(operation) => observer.step(step, x, &|| x.apply_op1_no_bwd(operation)),
            Self::Linear(linear) => observer.step(step, x, &|| linear.forward(x)),
            Self::ScaleShift(operation) => {
                observer.step(step, x, &|| x.apply_op1_no_bwd(operation))
            }
            Self::LayerNorm(operation) => observer.step(step, x, &|| x.apply_op1_no_bwd(operation)),
            Self::MaxPool(pool) => observer.step(step, x, &|| x.apply_op1_no_bwd(pool)),
            Self::AveragePool(pool) => observer.step(step, x, &|| x.apply_op1_no_bwd(pool)),
            Self::GlobalAvgPool => observer.step(step, x, &|| x.apply_op1_no_bwd(&GlobalAverage)),
            Self::Flatten => observer.step(step, x, &|| x.permute((0, 3, 1, 2))?.flatten_from(1)),
            Self::Sequence(layers) => {
                layers.iter().try_fold(x.clone(), |x, layer| layer.forward(&x, observer))
            }
            Self::Residual { path, shortcut, relu } => {
                let residual = match shortcut {
                    Some(layer) => layer.forward(x, observer)?,
                    None => x.clone(),
                };
                path.forward_and_add(x, &residual, *relu, observer)
            }
            Self::Grow(path) => {
                let grown = path.forward(x, observer)?;
                observer.step(Step::Concatenate, x, &|| Tensor::cat(&[x, &grown], D::Minus1))
            }
            Self::Branches(paths) => {
                let parts: Vec<Tensor> =
                    paths.iter().map(|path| path.forward(x, observer)).collect::<Result<_>>()?;
                observer.step(Step::Concatenate, x, &|| Tensor::cat(&parts, D::Minus1))
            }
            Self::HalfAndShuffle(path) => {
                let half = x.dim(D::Minus1)? / 2;
                let kept = x.narrow(D::Minus1, 0, half)?;
                let path = path.forward(&x.narrow(D::Minus1, half, half)?, observer)?;
                observer.step(Step::Shuffle, x, &|| kept.apply_op2_no_bwd(&path, &Interleave))
            }
            Self::BranchesAndShuffle(a, b) => {
                let (a, b) = (a.forward(x, observer)?, b.forward(x, observer)?);
                observer.step(Step::Shuffle, x, &|| a.apply_op2_no_bwd(&b, &Interleave))
            }
            Self::Gated(path) => {
                let factors = path.forward(x, observer)?;
                observer.step(step, x, &|| x.apply_op2_no_bwd(&factors, &Gate))
            }
            Self::Custom(layer) => observer.step(step, x, &|| layer.forward(x)),
        }
    }

    /// The layer's output for a batch, computed `part` images at a time up to the last layer that works
    /// on images, so that each layer finds its input in the cache; the remaining layers take all images
    /// at once.
    pub(super) fn forward_by_parts(&self, x: &Tensor, part: usize) -> Result<Tensor> {
        let n = x.dim(0)?;
        let Self::Sequence(layers) = self else { return self.forward(x, &mut NoObserver) };
        let images = layers
            .iter()
            .position(|layer| matches!(layer, Self::Flatten | Self::GlobalAvgPool))
            .map_or(layers.len(), |index| index + 1);
        if n <= part {
            return self.forward(x, &mut NoObserver);
        }
        let run = |layers: &[Layer], x: Tensor| {
            layers.iter().try_fold(x, |x, layer| layer.forward(&x, &mut NoObserver))
        };
        let parts: Vec<Tensor> = (0..n.div_ceil(part))
            .into_par_iter()
            .map(|index| index * part)
            .map(|start| run(&layers[..images], x.narrow(0, start, part.min(n - start))?))
            .collect::<Result<_>>()?;
        run(&layers[images..], Tensor::cat(&parts, 0)?)
    }

    /// `relu?(self(x) + residual)`; the addition is part of the last convolution if there is one.
    fn forward_and_add(
        &self,
        x: &Tensor,
        residual: &Tensor,
        relu: bool,
        observer: &mut dyn StepObserver,
    ) -> Result<Tensor> {
        let step = Step::Layer(self);
        match self {
            Self::Conv(conv) if conv.adds_before(relu) => {
                observer.step(step, x, &|| conv.forward(x, Some(residual)))
            }
            Self::Linear(Linear(conv)) if conv.adds_before(relu) => {
                observer.step(step, x, &|| linear(conv, x, Some(residual)))
            }
            Self::Sequence(layers) => match layers.split_last() {
                Some((last, rest)) => {
                    let x =
                        rest.iter().try_fold(x.clone(), |x, layer| layer.forward(&x, observer))?;
                    last.forward_and_add(&x, residual, relu, observer)
                }
                None => Ok(x.clone()),
            },
            _ => {
                let out = self.forward(x, observer)?;
                observer.step(Step::Add, &out, &|| {
                    let sum = (&out + residual)?;
                    if relu { sum.relu() } else { Ok(sum) }
                })
            }
        }
    }
}

/// A linear layer over the last axis of rows or images, computed as a 1×1 convolution.
pub(super) struct Linear(pub(super) Conv);

impl Linear {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        linear(&self.0, x, None)
    }
}

fn linear(conv: &Conv, x: &Tensor, residual: Option<&Tensor>) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let features = dims.pop().unwrap_or(1);
    let rows = dims.iter().product::<usize>();
    let output = conv.shape().output;
    let x = x.contiguous()?.reshape((1, 1, rows, features))?;
    dims.push(output);
    let residual = residual.map(|x| x.contiguous()?.reshape((1, 1, rows, output))).transpose()?;
    conv.forward(&x, residual.as_ref())?.reshape(dims)
}
