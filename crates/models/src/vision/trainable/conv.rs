//! Convolutions as candle operations with a gradient. Images are `[n][c][h][w]`.

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::Conv2dConfig;

use super::{
    super::{
        device_pass::{DeviceTensor, ForwardPass},
        error::VisionError,
        layers::{Activation, CustomLayer, Mode},
    },
    activation::activate,
    layers::{BatchNorms, no_device, per_channel},
};
use crate::{kernels::image::ConvShape as Shape, layers::Layers, nn, profile::LayerKind};

/// A convolution with what follows it: a bias, batch norm, an activation.
pub(in super::super) struct Convolution {
    pub(in super::super) shape: Shape,
    /// `[output][input / groups][rows][columns]`
    pub(in super::super) kernel: Tensor,
    pub(in super::super) bias: Option<Tensor>,
    pub(in super::super) norm: Option<BatchNorms>,
    pub(in super::super) activation: Activation,
}

impl CustomLayer for Convolution {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, Mode::default())
    }

    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        if self.activation == Activation::Relu {
            return self.rectified(x, mode, true);
        }
        activate(&self.rectified(x, mode, false)?, self.activation, mode)
    }

    fn forward_to_add(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match self.activation {
            Activation::Relu => self.rectified(x, mode, false),
            _ => self.forward_t(x, mode),
        }
    }

    fn forward_on_device(
        &self,
        _: &ForwardPass<'_>,
        _: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        Err(no_device())
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("convolution", LayerKind::Other, 0.0)
    }
}

impl Convolution {
    /// Convolution and batch norm, and a ReLU if asked for.
    fn rectified(&self, x: &Tensor, mode: Mode, relu: bool) -> Result<Tensor> {
        if mode.layers == Layers::Fused {
            return self.fused(x, mode, relu);
        }
        let mut x = conv2d(x, &self.kernel, &self.shape)?;
        if let Some(bias) = &self.bias {
            x = x.broadcast_add(&per_channel(bias)?)?;
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(&x, mode)?;
        }
        if relu { x.relu() } else { Ok(x) }
    }

    /// The same by our kernels.
    fn fused(&self, x: &Tensor, mode: Mode, relu: bool) -> Result<Tensor> {
        let Shape { stride, padding, groups, .. } = self.shape;
        let (x, padding) = match padding {
            [rows, columns] if rows == columns => (x.clone(), rows),
            _ => (pad(x, padding)?, 0),
        };
        let config = Conv2dConfig { padding, stride, groups, ..Conv2dConfig::default() };
        let conv = nn::Conv2d::new(self.kernel.clone(), self.bias.clone(), config);
        match &self.norm {
            Some(norm) => {
                let (n, _, h, w) = x.dims4()?;
                let (rows, columns) = Shape { padding: [padding; 2], ..self.shape }.size(h, w)?;
                BatchNorms::check(n * rows * columns, mode)?;
                let block = nn::ConvBlock::new(conv, norm.fused.clone(), relu, false);
                block.forward_t(&x, mode.train)
            }
            None if relu => nn::relu(&conv.forward(&x)?),
            None => conv.forward(&x),
        }
    }
}

/// A convolution.
///
/// 1×1 convolutions are matrix products, and depthwise ones are sums of products, because candle's own
/// gradients of these take many times longer on the CPU. The others are candle's `conv2d`.
fn conv2d(x: &Tensor, kernel: &Tensor, shape: &Shape) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let Shape { kernel: [rows, columns], stride, padding, groups, .. } = *shape;
    if groups == shape.input && groups == shape.output && groups > 1 {
        return depthwise(x, kernel, shape);
    }
    if [rows, columns] == [1, 1] && padding == [0, 0] && groups == 1 {
        let x = every(&every(x, stride, 2)?, stride, 3)?;
        let (n, c, h, w) = x.dims4()?;
        let columns = x.transpose(0, 1)?.contiguous()?.reshape((c, n * h * w))?;
        let product = kernel.reshape((shape.output, c))?.matmul(&columns)?;
        return product.reshape((shape.output, n, h, w))?.transpose(0, 1)?.contiguous();
    }
    if padding[0] == padding[1] && rows == columns && (stride == 1 || h == w) {
        return x.conv2d(kernel, padding[0], stride, 1, groups);
    }
    // candle takes one padding for both axes, and its gradient needs that each axis leaves the same number of
    // pixels over. Here none is left over.
    let x = pad(x, padding)?;
    let (out_h, out_w) = shape.size(h, w)?;
    let x = x.narrow(2, 0, (out_h - 1) * stride + rows)?;
    let x = x.narrow(3, 0, (out_w - 1) * stride + columns)?;
    x.contiguous()?.conv2d(kernel, 0, stride, 1, groups)
}

/// Adds zeros at all sides.
fn pad(x: &Tensor, [rows, columns]: [usize; 2]) -> Result<Tensor> {
    let x = if rows > 0 { x.pad_with_zeros(2, rows, rows)? } else { x.clone() };
    if columns > 0 { x.pad_with_zeros(3, columns, columns) } else { Ok(x) }
}

/// The elements 0, `stride`, 2 · `stride`, … along an axis.
fn every(x: &Tensor, stride: usize, axis: usize) -> Result<Tensor> {
    if stride == 1 {
        return Ok(x.clone());
    }
    let count = x.dim(axis)?.div_ceil(stride);
    let indices: Vec<u32> = (0..count).map(|index| (index * stride) as u32).collect();
    x.contiguous()?.index_select(&Tensor::from_vec(indices, count, x.device())?, axis)
}

/// A convolution of each channel with a kernel of its own: the sum over the kernel's pixels of the image,
/// moved by that pixel, times its weight.
fn depthwise(x: &Tensor, kernel: &Tensor, shape: &Shape) -> Result<Tensor> {
    let [rows, columns] = shape.kernel;
    let x = pad(x, shape.padding)?;
    let (n, c, h, w) = x.dims4()?;
    if h < rows || w < columns {
        candle_core::bail!("a kernel of {rows}×{columns} pixels is larger than the image");
    }
    let (out_h, out_w) = (h - rows + 1, w - columns + 1);
    // A moved image is one range of the padded image's values. The last values of its rows belong to no pixel
    // and are cut off at the end.
    let values = x.contiguous()?.reshape((n, c, h * w))?;
    let len = (out_h - 1) * w + out_w;
    let taps = kernel.reshape((c, rows * columns))?.t()?.contiguous()?;
    let mut sum: Option<Tensor> = None;
    for tap in 0..rows * columns {
        let start = tap / columns * w + tap % columns;
        let moved = values.narrow(2, start, len)?.contiguous()?;
        let term = moved.broadcast_mul(&taps.narrow(0, tap, 1)?.reshape((1, c, 1))?)?;
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    let Some(sum) = sum else { candle_core::bail!("a kernel without pixels") };
    let out = if columns > 1 { sum.pad_with_zeros(2, 0, columns - 1)? } else { sum };
    let out = out.reshape((n, c, out_h, w))?.narrow(3, 0, out_w)?.contiguous()?;
    every(&every(&out, shape.stride, 2)?, shape.stride, 3)
}
