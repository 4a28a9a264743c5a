//! Convolution: the operation, the layer and its constructors.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Module, Result, Shape, Tensor, bail};
use candle_nn::{Conv2dConfig, Init, VarBuilder, init::DEFAULT_KAIMING_NORMAL};
use rayon::prelude::*;

use super::values::{check_size, ready, storage, sum, tensor, values, with_values};
use crate::kernels::{Axis, Columns};

/// A two-dimensional convolution with the interface of [`candle_nn::Conv2d`].
#[derive(Clone, Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    config: Conv2dConfig,
}

impl Conv2d {
    /// A convolution with weights `[out][in / groups][rows][columns]` and a bias `[out]`. The configuration's
    /// `cudnn_fwd_algo` is ignored.
    #[must_use]
    pub fn new(weight: Tensor, bias: Option<Tensor>, config: Conv2dConfig) -> Self {
        Self { weight, bias, config }
    }

    /// Stride, padding, dilation and groups.
    #[must_use]
    pub fn config(&self) -> &Conv2dConfig {
        &self.config
    }

    /// `[out][in / groups][rows][columns]`.
    #[must_use]
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// `[out]`, if the convolution has a bias.
    #[must_use]
    pub fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }
}

impl Module for Conv2d {
    /// Convolves images `[n][in][h][w]`.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, or the images are not float32 on the CPU.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let Conv2dConfig { padding, stride, dilation, groups, .. } = self.config;
        convolve(x, &self.weight, self.bias.as_ref(), padding, stride, dilation, groups)
    }
}

/// A convolution with a bias: parameters `weight` and `bias`, with candle-nn's initial values.
///
/// # Errors
///
/// If the builder has no such parameters, or `groups` is 0.
pub fn conv2d(
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    cfg: Conv2dConfig,
    vb: VarBuilder<'_>,
) -> Result<Conv2d> {
    let weight = weight(in_channels, out_channels, kernel_size, cfg, &vb)?;
    let bound = 1.0 / (in_channels as f64).sqrt();
    let bias = vb.get_with_hints(out_channels, "bias", Init::Uniform { lo: -bound, up: bound })?;
    Ok(Conv2d::new(weight, Some(bias), cfg))
}

/// A convolution without a bias: parameter `weight`, with candle-nn's initial values.
///
/// # Errors
///
/// If the builder has no such parameter, or `groups` is 0.
pub fn conv2d_no_bias(
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    cfg: Conv2dConfig,
    vb: VarBuilder<'_>,
) -> Result<Conv2d> {
    Ok(Conv2d::new(weight(in_channels, out_channels, kernel_size, cfg, &vb)?, None, cfg))
}

/// The weights of a convolution with square kernels.
fn weight(
    input: usize,
    output: usize,
    kernel: usize,
    cfg: Conv2dConfig,
    vb: &VarBuilder<'_>,
) -> Result<Tensor> {
    if cfg.groups == 0 || !input.is_multiple_of(cfg.groups) {
        bail!("{input} input channels cannot be divided into {} groups", cfg.groups);
    }
    let shape = (output, input / cfg.groups, kernel, kernel);
    vb.get_with_hints(shape, "weight", DEFAULT_KAIMING_NORMAL)
}

/// Convolves images `[n][in][h][w]` with weights `[out][in / groups][rows][columns]` and a bias `[out]`, as
/// `torch.nn.functional.conv2d` does. The result has a gradient for each of them.
///
/// # Errors
///
/// If the shapes do not fit, or a tensor is not float32 on the CPU.
pub fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    padding: usize,
    stride: usize,
    dilation: usize,
    groups: usize,
) -> Result<Tensor> {
    let (x, weight) = (ready("conv2d", x)?, ready("conv2d", weight)?);
    let ([n, channels, h, w], [out, input, kh, kw]) = (four(&x)?, four(&weight)?);
    if groups == 0 || !out.is_multiple_of(groups) || input.checked_mul(groups) != Some(channels) {
        bail!(
            "conv2d of {groups} groups: images of shape {:?} do not fit weights of shape {:?}",
            x.dims(),
            weight.dims()
        );
    }
    let rows = Axis::new(h, kh, stride, padding, dilation)?;
    let columns = Axis::new(w, kw, stride, padding, dilation)?;
    check_size("conv2d", &[n, out, rows.out, columns.out])?;
    let operation = Convolution {
        images: n,
        columns: Columns { groups, input, output: out / groups, rows, columns },
    };
    match bias {
        None => x.apply_op2(&weight, operation),
        Some(bias) => {
            let bias = ready("conv2d", bias)?;
            if bias.dims() != [out] {
                bail!("conv2d: a bias of shape {:?} for {out} output channels", bias.dims());
            }
            x.apply_op3(&weight, &bias, operation)
        }
    }
}

/// The sizes of a tensor with four axes.
fn four(x: &Tensor) -> Result<[usize; 4]> {
    match x.dims().try_into() {
        Ok(dims) => Ok(dims),
        Err(_) => bail!("conv2d needs tensors with 4 axes, got one of shape {:?}", x.dims()),
    }
}

/// A convolution as an operation of candle.
struct Convolution {
    images: usize,
    columns: Columns,
}

impl Convolution {
    fn shape(&self) -> Shape {
        let Columns { groups, output, rows, columns, .. } = self.columns;
        Shape::from((self.images, groups * output, rows.out, columns.out))
    }

    /// The gradients of the input and of the weights, where they are needed.
    fn gradients(
        &self,
        x: &Tensor,
        weight: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        with_values(gradient, |gradient| {
            let dx = if x.track_op() {
                let dx = with_values(weight, |w| Ok(self.columns.input_gradient(gradient, w)))?;
                Some(tensor(dx, x.dims())?)
            } else {
                None
            };
            let dw = if weight.track_op() {
                let dw = with_values(x, |x| Ok(self.columns.weight_gradient(x, gradient)))?;
                Some(tensor(dw, weight.dims())?)
            } else {
                None
            };
            Ok((dx, dw))
        })
    }
}

impl CustomOp2 for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, x_layout)?, values(weight, weight_layout)?);
        Ok((storage(self.columns.forward(x, weight, None)), self.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        self.gradients(x, weight, gradient)
    }
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (values(x, x_layout)?, values(weight, weight_layout)?);
        let bias = values(bias, bias_layout)?;
        Ok((storage(self.columns.forward(x, weight, Some(bias))), self.shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dw) = self.gradients(x, weight, gradient)?;
        let db = if bias.track_op() { Some(channel_sums(gradient)?) } else { None };
        Ok((dx, dw, db))
    }
}

/// The sum of each channel of `[n][c][h][w]`.
fn channel_sums(x: &Tensor) -> Result<Tensor> {
    let (_, channels, h, w) = x.dims4()?;
    let sums = with_values(x, |x| {
        let of = |channel: usize| {
            let planes = x.chunks_exact((h * w).max(1)).skip(channel).step_by(channels);
            planes.map(|plane| sum(plane, |value| value)).sum::<f64>() as f32
        };
        Ok((0..channels).into_par_iter().map(of).collect())
    })?;
    tensor(sums, &[channels])
}
