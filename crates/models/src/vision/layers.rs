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

    /// The 1×1 convolution that computes it, if each of its output channels is an input channel or zero.
    fn selection(&self) -> Option<&Conv> {
        None
    }

    /// Number of floats of weights that it reads for a batch.
    fn weights(&self) -> usize {
        0
    }

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

    /// The layer's output for a batch of n images. Layers that work on images take only as many at a time as
    /// [`Layer::images_at_a_time`] says, and at most n / threads; the remaining layers take all at once.
    pub(super) fn forward_by_parts(&self, x: &Tensor) -> Result<Tensor> {
        let n = x.dim(0)?;
        let Self::Sequence(layers) = self else { return self.forward(x, &mut NoObserver) };
        let images = layers
            .iter()
            .position(|layer| matches!(layer, Self::Flatten | Self::GlobalAvgPool))
            .map_or(layers.len(), |index| index + 1);
        let most = n.div_ceil(rayon::current_num_threads());
        let (mut x, mut done) = (x.clone(), 0);
        while done < images && n > 1 {
            let part = layers[done].images_at_a_time(&x, most)?;
            // Runs some layers on a part of the images, up to one that should take more images at a time.
            let run = |mut x: Tensor| {
                let mut next = done;
                while next < images
                    && (next == done || layers[next].images_at_a_time(&x, most)? <= part)
                {
                    x = layers[next].forward(&x, &mut NoObserver)?;
                    next += 1;
                }
                Ok((x, next))
            };
            let parts: Vec<(Tensor, usize)> = (0..n.div_ceil(part))
                .into_par_iter()
                .map(|index| run(x.narrow(0, index * part, part.min(n - index * part))?))
                .collect::<Result<_>>()?;
            done = parts.iter().map(|(_, next)| *next).min().unwrap_or(images);
            let parts: Vec<&Tensor> = parts.iter().map(|(x, _)| x).collect();
            x = Tensor::cat(&parts, 0)?;
        }
        layers[done..].iter().try_fold(x, |x, layer| layer.forward(&x, &mut NoObserver))
    }

    /// How many images of x the layer should take at a time, at most `most`. With few images, its input and its
    /// output stay in the cache, but its weights are read again for every group of images. The number
    /// depends on shapes only.
    fn images_at_a_time(&self, x: &Tensor, most: usize) -> Result<usize> {
        /// Floats of weights that are worth one more float of an image.
        const WORTH: usize = 4;
        let floats = x.elem_count() / x.dim(0)?.max(1);
        let images = (self.weights() / (WORTH * floats).max(1)).clamp(1, 8);
        Ok(images.min(most).max(1))
    }

    /// Number of floats of weights that the layer reads for a batch, roughly.
    fn weights(&self) -> usize {
        match self {
            Self::Conv(conv) => conv.floats(),
            Self::Depthwise(operation) => operation.weights().len(),
            Self::Linear(Linear(conv)) => conv.floats(),
            Self::Sequence(layers) | Self::Branches(layers) => {
                layers.iter().map(Self::weights).sum()
            }
            Self::Residual { path, shortcut, .. } => {
                path.weights() + shortcut.as_ref().map_or(0, |layer| layer.weights())
            }
            Self::Grow(path) | Self::HalfAndShuffle(path) | Self::Gated(path) => path.weights(),
            Self::BranchesAndShuffle(a, b) => a.weights() + b.weights(),
            Self::Custom(layer) => layer.weights(),
            Self::ScaleShift(_)
            | Self::LayerNorm(_)
            | Self::MaxPool(_)
            | Self::AveragePool(_)
            | Self::GlobalAvgPool
            | Self::Flatten => 0,
        }
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
