//! The few layers that every network is made of.

use candle_core::{CpuStorage, CustomOp1, D, Device, Layout, Result, Shape as Dims, Tensor, bail};
use rayon::prelude::*;

use super::weights::Shape;

/// A part of a network.
pub(super) enum Layer {
    Conv(Conv),
    Linear(Linear),
    ScaleShift(ScaleShift),
    /// Kernel, stride, padding; `ceil` keeps a window that hangs over the edge. Inputs are not
    /// negative (they follow a ReLU), so that zeros pad them.
    MaxPool {
        kernel: usize,
        stride: usize,
        padding: usize,
        ceil: bool,
    },
    /// 2×2, stride 2.
    AvgPool,
    /// To so many rows and columns.
    AdaptiveAvgPool(usize),
    /// Mean over the image: `[n][c]`.
    GlobalAvgPool,
    Flatten,
    Sequence(Vec<Layer>),
    /// `relu?(shortcut(x) + path(x))`; without a shortcut x itself.
    Residual {
        path: Box<Layer>,
        shortcut: Option<Box<Layer>>,
        relu: bool,
    },
    /// `[x, path(x)]` side by side.
    Grow(Box<Layer>),
    /// Both paths on x, side by side.
    Branches(Box<Layer>, Box<Layer>),
    /// ShuffleNet's unit: half of the channels as they are, half through a path, shuffled.
    HalfAndShuffle(Box<Layer>),
    /// ShuffleNet's down-sampling unit: two paths, shuffled.
    BranchesAndShuffle(Box<Layer>, Box<Layer>),
}

/// What follows a layer, in the same pass where it can.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Activation {
    None,
    Relu,
    Relu6,
}

impl Activation {
    fn apply(self, x: Tensor) -> Result<Tensor> {
        match self {
            Self::None => Ok(x),
            Self::Relu => x.relu(),
            Self::Relu6 => x.clamp(0.0, 6.0),
        }
    }
}

impl Layer {
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Linear(linear) => linear.forward(x),
            Self::ScaleShift(op) => x.contiguous()?.apply_op1_no_bwd(op),
            Self::MaxPool { kernel, stride, padding, ceil } => {
                max_pool(x, *kernel, *stride, *padding, *ceil)
            }
            Self::AvgPool => x.avg_pool2d(2),
            Self::AdaptiveAvgPool(side) => adaptive(x, *side),
            Self::GlobalAvgPool => x.mean((D::Minus2, D::Minus1)),
            Self::Flatten => x.flatten_from(1),
            Self::Sequence(layers) => layers.iter().try_fold(x.clone(), |x, it| it.forward(&x)),
            Self::Residual { path, shortcut, relu } => {
                let kept = shortcut.as_ref().map_or_else(|| Ok(x.clone()), |it| it.forward(x))?;
                let sum = (path.forward(x)? + kept)?;
                if *relu { sum.relu() } else { Ok(sum) }
            }
            Self::Grow(path) => Tensor::cat(&[x, &path.forward(x)?], 1),
            Self::Branches(a, b) => Tensor::cat(&[a.forward(x)?, b.forward(x)?], 1),
            Self::HalfAndShuffle(path) => {
                let half = x.dim(1)? / 2;
                let kept = x.narrow(1, 0, half)?;
                shuffle(&kept, &path.forward(&x.narrow(1, half, half)?.contiguous()?)?)
            }
            Self::BranchesAndShuffle(a, b) => shuffle(&a.forward(x)?, &b.forward(x)?),
        }
    }
}

/// Channels of two tensors in turn: ShuffleNet's channel shuffle of two groups.
fn shuffle(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = a.dims4()?;
    Tensor::stack(&[a, b], 2)?.reshape((n, 2 * c, h, w))
}

fn max_pool(
    x: &Tensor,
    kernel: usize,
    stride: usize,
    padding: usize,
    ceil: bool,
) -> Result<Tensor> {
    let pad = |x: Tensor, dim: usize| -> Result<Tensor> {
        let size = x.dim(dim)? + 2 * padding;
        let over = size.saturating_sub(kernel) % stride;
        let extra = if ceil && over > 0 { stride - over } else { 0 };
        if padding + extra == 0 { Ok(x) } else { x.pad_with_zeros(dim, padding, padding + extra) }
    };
    pad(pad(x.clone(), 2)?, 3)?.max_pool2d_with_stride(kernel, stride)
}

/// Average over windows `⌊i·h/n⌋ .. ⌈(i+1)·h/n⌉`, as PyTorch; two small matrix products.
fn adaptive(x: &Tensor, side: usize) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    if (h, w) == (side, side) {
        return Ok(x.clone());
    }
    let windows = |size: usize| -> Result<Tensor> {
        let mut matrix = vec![0.0_f32; side * size];
        for i in 0..side {
            let (start, end) = (i * size / side, ((i + 1) * size).div_ceil(side));
            matrix[i * size + start..i * size + end].fill(1.0 / (end - start) as f32);
        }
        Tensor::from_vec(matrix, (side, size), &Device::Cpu)
    };
    let rows = windows(h)?.broadcast_matmul(&x.contiguous()?.reshape((n * c, h, w))?)?;
    rows.broadcast_matmul(&windows(w)?.t()?)?.reshape((n, c, side, side))
}

/// A linear layer.
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) activation: Activation,
}

impl Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.activation.apply(x.matmul(&self.weight.t()?)?.broadcast_add(&self.bias)?)
    }
}

/// A convolution with bias (that of a folded batch norm, or its own).
pub(super) struct Conv {
    /// Of a depthwise convolution `[channels][9]`, otherwise `[out][in/groups][k][k]`.
    kernel: Tensor,
    bias: Tensor,
    shape: Shape,
    activation: Activation,
}

impl Conv {
    pub(super) fn new(kernel: Tensor, bias: Tensor, shape: Shape, activation: Activation) -> Self {
        Self { kernel, bias, shape, activation }
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Shape { input, output, kernel, stride, padding, groups } = self.shape;
        if groups == input && groups == output && kernel == 3 && padding == 1 {
            let operation = Depthwise {
                kernel: self.kernel.flatten_all()?.to_vec1()?,
                bias: self.bias.to_vec1()?,
                stride,
            };
            return self.activation.apply(x.contiguous()?.apply_op1_no_bwd(&operation)?);
        }
        let x = if (kernel, stride, groups) == (1, 1, 1) {
            // One matrix product an image.
            let (n, c, h, w) = x.dims4()?;
            let flat = x.contiguous()?.reshape((n, c, h * w))?;
            self.kernel
                .reshape((output, input))?
                .broadcast_matmul(&flat)?
                .reshape((n, output, h, w))?
        } else {
            x.conv2d(&self.kernel, padding, stride, 1, groups)?
        };
        self.activation.apply(x.broadcast_add(&self.bias.reshape((1, output, 1, 1))?)?)
    }
}

fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("expected a contiguous tensor, got {layout:?}"),
    }
}

/// Scale, shift and ReLU of each channel in one pass.
pub(super) struct ScaleShift {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
}

impl CustomOp1 for ScaleShift {
    fn name(&self) -> &'static str {
        "scale-shift-relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let (_, channels, h, w) = layout.shape().dims4()?;
        let mut out = floats(storage, layout)?.to_vec();
        out.par_chunks_mut(h * w).enumerate().for_each(|(plane, values)| {
            let (scale, shift) = (self.scale[plane % channels], self.shift[plane % channels]);
            values.iter_mut().for_each(|it| *it = (*it * scale + shift).max(0.0));
        });
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// A depthwise 3×3 convolution with one pixel of padding: row by row, so that the compiler uses
/// vectors.
struct Depthwise {
    /// `[channels][9]`.
    kernel: Vec<f32>,
    bias: Vec<f32>,
    stride: usize,
}

impl CustomOp1 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Dims)> {
        let (n, channels, h, w) = layout.shape().dims4()?;
        let x = floats(storage, layout)?;
        let (rows, columns) = ((h - 1) / self.stride + 1, (w - 1) / self.stride + 1);
        let mut out = vec![0.0_f32; n * channels * rows * columns];
        out.par_chunks_mut(rows * columns).zip(x.par_chunks(h * w)).enumerate().for_each(
            |(plane, (out, image))| {
                let channel = plane % channels;
                let kernel = &self.kernel[channel * 9..channel * 9 + 9];
                let mut padded = vec![0.0_f32; (h + 2) * (w + 2)];
                for (y, row) in image.chunks_exact(w).enumerate() {
                    padded[(y + 1) * (w + 2) + 1..][..w].copy_from_slice(row);
                }
                out.fill(self.bias[channel]);
                for (y, out) in out.chunks_exact_mut(columns).enumerate() {
                    for (tap, factor) in kernel.iter().enumerate() {
                        let start = (y * self.stride + tap / 3) * (w + 2) + tap % 3;
                        let line = &padded[start..(y * self.stride + tap / 3 + 1) * (w + 2)];
                        if self.stride == 1 {
                            out.iter_mut().zip(line).for_each(|(out, it)| *out += factor * it);
                        } else {
                            let line = line.iter().step_by(self.stride);
                            out.iter_mut().zip(line).for_each(|(out, it)| *out += factor * it);
                        }
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), Dims::from((n, channels, rows, columns))))
    }
}
