//! Weights by name: random ones, those of a state dict, or zeros where only their shapes matter.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::{
    error::VisionError,
    layers::{Activation, Layer, Linear},
};
pub(super) use crate::kernels::image::ConvShape as Shape;
use crate::{
    kernels::image::{Conv, Depthwise, LayerNorm, ScaleShift},
    random::Stream,
};

/// PyTorch's default of what is added to the variance in batch norm.
const EPSILON: f64 = 1e-5;

/// Hands out weights under torchvision's names, and counts the parameters.
pub(super) struct Weights {
    source: Values,
    /// Trained parameters handed out so far.
    parameters: usize,
    epsilon: f64,
    /// Names and shapes of the tensors handed out so far.
    requested: Vec<(String, Vec<usize>)>,
}

/// Where the values of weights come from.
enum Values {
    /// A state dict.
    Given(HashMap<String, Tensor>),
    /// A seed.
    Random(u64),
    /// All are zero, and most layers are left out: only names and shapes are asked for.
    Zero,
}

impl Shape {
    /// A convolution, padded so that it keeps the size at stride 1.
    pub(super) fn same(input: usize, output: usize, kernel: usize, stride: usize) -> Self {
        Self { input, output, kernel: [kernel; 2], stride, padding: [kernel / 2; 2], groups: 1 }
    }

    /// A depthwise convolution.
    pub(super) fn depthwise(channels: usize, kernel: usize, stride: usize) -> Self {
        Self { groups: channels, ..Self::same(channels, channels, kernel, stride) }
    }

    /// Pixels under the kernel.
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
}

impl Weights {
    fn new(source: Values) -> Self {
        Self { source, parameters: 0, epsilon: EPSILON, requested: Vec::new() }
    }

    pub(super) fn random(seed: u64) -> Self {
        Self::new(Values::Random(seed))
    }

    pub(super) fn given(tensors: HashMap<String, Tensor>) -> Self {
        Self::new(Values::Given(tensors))
    }

    /// For the names and shapes of the tensors alone.
    pub(super) fn zero() -> Self {
        Self::new(Values::Zero)
    }

    pub(super) fn parameters(&self) -> usize {
        self.parameters
    }

    /// Names and shapes of all tensors handed out.
    pub(super) fn into_requested(self) -> Vec<(String, Vec<usize>)> {
        self.requested
    }

    /// Sets what every following batch norm adds to its variance.
    pub(super) fn batch_norm_epsilon(&mut self, epsilon: f64) {
        self.epsilon = epsilon;
    }

    /// A tensor by name. A random one is uniform in ±`bound` around `center`.
    fn tensor(
        &mut self,
        name: &str,
        shape: &[usize],
        center: f32,
        bound: f32,
    ) -> Result<Tensor, VisionError> {
        self.requested.push((name.to_owned(), shape.to_vec()));
        let count = shape.iter().product();
        let given = match &self.source {
            Values::Given(given) => given,
            Values::Random(seed) if bound > 0.0 => {
                let mut values = Stream::new(*seed, name).uniform(count, bound);
                values.iter_mut().for_each(|value| *value += center);
                return Ok(Tensor::from_vec(values, shape, &Device::Cpu)?);
            }
            Values::Random(_) => {
                return Ok(Tensor::from_vec(vec![center; count], shape, &Device::Cpu)?);
            }
            Values::Zero => {
                return Ok(Tensor::from_vec(vec![0.0_f32; count], shape, &Device::Cpu)?);
            }
        };
        let fail =
            |found| VisionError::State { name: name.to_owned(), found, expected: shape.to_vec() };
        let tensor = given.get(name).ok_or_else(|| fail("missing".to_owned()))?;
        if tensor.dims() != shape {
            return Err(fail(format!("of shape {:?}", tensor.dims())));
        }
        Ok(tensor.to_dtype(DType::F32)?.contiguous()?)
    }

    /// A trained tensor by name, counted as parameters. A random one is uniform in ±`bound` around
    /// `center`.
    pub(super) fn trained(
        &mut self,
        name: &str,
        shape: &[usize],
        center: f32,
        bound: f32,
    ) -> Result<Tensor, VisionError> {
        self.parameters += shape.iter().product::<usize>();
        self.tensor(name, shape, center, bound)
    }

    /// The kernel of a convolution. Random ones are He-uniform: the bound √(6 / fan-in) keeps activations
    /// at the same size from layer to layer (He et al. 2015).
    fn kernel(&mut self, name: &str, shape: Shape) -> Result<Tensor, VisionError> {
        let inputs = shape.input / shape.groups;
        let bound = (6.0 / (inputs * shape.taps()) as f32).sqrt();
        let dims = [shape.output, inputs, shape.kernel[0], shape.kernel[1]];
        self.trained(&format!("{name}.weight"), &dims, 0.0, bound)
    }

    /// A convolution with bias.
    pub(super) fn conv(
        &mut self,
        name: &str,
        shape: Shape,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let kernel = self.kernel(name, shape)?;
        let bias = self.trained(&format!("{name}.bias"), &[shape.output], 0.0, 0.0)?;
        self.convolution(&kernel, &bias, shape, activation)
    }

    /// A convolution without bias.
    pub(super) fn bare_conv(&mut self, name: &str, shape: Shape) -> Result<Layer, VisionError> {
        let kernel = self.kernel(name, shape)?;
        let bias = Tensor::zeros(shape.output, DType::F32, &Device::Cpu)?;
        self.convolution(&kernel, &bias, shape, Activation::None)
    }

    /// Batch norm as a scale and a shift of each channel.
    fn norm(&mut self, name: &str, channels: usize) -> Result<(Tensor, Tensor), VisionError> {
        let gamma = self.trained(&format!("{name}.weight"), &[channels], 1.0, 0.0)?;
        let beta = self.trained(&format!("{name}.bias"), &[channels], 0.0, 0.0)?;
        let mean = self.tensor(&format!("{name}.running_mean"), &[channels], 0.0, 0.0)?;
        let variance = self.tensor(&format!("{name}.running_var"), &[channels], 1.0, 0.0)?;
        let scale = (gamma / (variance + self.epsilon)?.sqrt()?)?;
        let shift = (beta - (mean * &scale)?)?;
        Ok((scale, shift))
    }

    /// A convolution with its batch norm folded into it.
    pub(super) fn conv_norm(
        &mut self,
        (conv, norm): (&str, &str),
        shape: Shape,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let kernel = self.kernel(conv, shape)?;
        let (scale, shift) = self.norm(norm, shape.output)?;
        if self.is_zero() {
            return Ok(Layer::Sequence(Vec::new()));
        }
        let kernel = kernel.broadcast_mul(&scale.reshape((shape.output, 1, 1, 1))?)?;
        convolution(&kernel, &shift, shape, activation)
    }

    /// A convolution, depthwise if each channel is a group.
    fn convolution(
        &self,
        kernel: &Tensor,
        bias: &Tensor,
        shape: Shape,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        if self.is_zero() {
            return Ok(Layer::Sequence(Vec::new()));
        }
        convolution(kernel, bias, shape, activation)
    }

    /// A convolution, with or without bias, and the batch norm after it folded in if there is one, given its
    /// name and epsilon.
    pub(super) fn folded_conv(
        &mut self,
        (name, bias): (&str, bool),
        norm: Option<(&str, f64)>,
        shape: Shape,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let kernel = self.kernel(name, shape)?;
        let (kernel, bias) = self.folded(name, kernel, bias, norm)?;
        convolution(&kernel, &bias, shape, activation)
    }

    /// The same for a linear layer.
    pub(super) fn folded_linear(
        &mut self,
        (name, bias): (&str, bool),
        norm: Option<(&str, f64)>,
        [input, output]: [usize; 2],
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let bound = (6.0 / input as f32).sqrt();
        let weight = self.trained(&format!("{name}.weight"), &[output, input], 0.0, bound)?;
        let (weight, bias) = self.folded(name, weight, bias, norm)?;
        Ok(Layer::Linear(linear(&weight, &bias, activation)?))
    }

    /// A weight `[out]…` and a bias `[out]` that include the batch norm after them.
    fn folded(
        &mut self,
        name: &str,
        weight: Tensor,
        bias: bool,
        norm: Option<(&str, f64)>,
    ) -> Result<(Tensor, Tensor), VisionError> {
        let output = weight.dim(0)?;
        let bias = match bias {
            true => self.trained(&format!("{name}.bias"), &[output], 0.0, 0.0)?,
            false => Tensor::zeros(output, DType::F32, &Device::Cpu)?,
        };
        let Some((norm, epsilon)) = norm else { return Ok((weight, bias)) };
        let (scale, shift) = self.channel_norm(norm, output, epsilon)?;
        let mut wide = vec![1; weight.rank()];
        wide[0] = output;
        let weight = weight.broadcast_mul(&scale.reshape(wide)?)?;
        let bias = ((bias * scale)? + shift)?;
        Ok((weight, bias))
    }

    /// Batch norm with its own epsilon as a scale and a shift of each channel.
    pub(super) fn channel_norm(
        &mut self,
        name: &str,
        channels: usize,
        epsilon: f64,
    ) -> Result<(Tensor, Tensor), VisionError> {
        let usual = std::mem::replace(&mut self.epsilon, epsilon);
        let norm = self.norm(name, channels);
        self.epsilon = usual;
        norm
    }

    fn is_zero(&self) -> bool {
        matches!(self.source, Values::Zero)
    }

    /// As [`Weights::conv_norm`], for convolution `name.conv` and batch norm `name.norm`.
    pub(super) fn conv_norm_in(
        &mut self,
        name: &str,
        (conv, norm): (&str, &str),
        shape: Shape,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        self.conv_norm((&format!("{name}.{conv}"), &format!("{name}.{norm}")), shape, activation)
    }

    /// torchvision's `Conv2dNormActivation`: convolution `name.0` and batch norm `name.1`.
    pub(super) fn unit(
        &mut self,
        name: &str,
        shape: Shape,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        self.conv_norm_in(name, ("0", "1"), shape, activation)
    }

    /// A 1×1 convolution with bias, as a linear layer over the last axis.
    fn pointwise(
        &mut self,
        name: &str,
        input: usize,
        output: usize,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let kernel = self.kernel(name, Shape::same(input, output, 1, 1))?;
        let bias = self.trained(&format!("{name}.bias"), &[output], 0.0, 0.0)?;
        if self.is_zero() {
            return Ok(Layer::Sequence(Vec::new()));
        }
        Ok(Layer::Linear(linear(&kernel.reshape((output, input))?, &bias, activation)?))
    }

    /// Squeeze and excitation (Hu et al. 2017): multiplies channels by factors computed from their means.
    pub(super) fn squeeze_excitation(
        &mut self,
        name: &str,
        channels: usize,
        squeezed: usize,
        [activation, gate]: [Activation; 2],
    ) -> Result<Layer, VisionError> {
        Ok(Layer::Gated(Box::new(Layer::Sequence(vec![
            Layer::GlobalAvgPool,
            self.pointwise(&format!("{name}.fc1"), channels, squeezed, activation)?,
            self.pointwise(&format!("{name}.fc2"), squeezed, channels, gate)?,
        ]))))
    }

    /// Batch norm and ReLU before a convolution.
    pub(super) fn norm_relu(&mut self, name: &str, channels: usize) -> Result<Layer, VisionError> {
        let (scale, shift) = self.norm(name, channels)?;
        Ok(Layer::ScaleShift(ScaleShift { scale: scale.to_vec1()?, shift: shift.to_vec1()? }))
    }

    /// A linear layer.
    pub(super) fn linear(
        &mut self,
        name: &str,
        input: usize,
        output: usize,
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let (weight, bias) =
            self.matrix((&format!("{name}.weight"), &format!("{name}.bias")), input, output)?;
        if self.is_zero() {
            return Ok(Layer::Sequence(Vec::new()));
        }
        Ok(Layer::Linear(linear(&weight, &bias, activation)?))
    }

    /// The weight `[out][in]` and the bias of a linear layer, given their full names.
    pub(super) fn matrix(
        &mut self,
        (weight, bias): (&str, &str),
        input: usize,
        output: usize,
    ) -> Result<(Tensor, Tensor), VisionError> {
        let bound = (6.0 / input as f32).sqrt();
        let weight = self.trained(weight, &[output, input], 0.0, bound)?;
        Ok((weight, self.trained(bias, &[output], 0.0, 0.0)?))
    }

    /// Layer norm over the channels.
    pub(super) fn layer_norm(
        &mut self,
        name: &str,
        channels: usize,
        epsilon: f32,
    ) -> Result<Layer, VisionError> {
        let gamma = self.trained(&format!("{name}.weight"), &[channels], 1.0, 0.0)?.to_vec1()?;
        let beta = self.trained(&format!("{name}.bias"), &[channels], 0.0, 0.0)?.to_vec1()?;
        Ok(Layer::LayerNorm(LayerNorm { gamma, beta, epsilon }))
    }
}

/// A convolution, depthwise if each channel is a group.
fn convolution(
    kernel: &Tensor,
    bias: &Tensor,
    shape: Shape,
    activation: Activation,
) -> Result<Layer, VisionError> {
    let (kernel, bias) = (kernel.flatten_all()?.to_vec1()?, bias.to_vec1()?);
    if shape.groups == shape.input && shape.groups == shape.output && shape.groups > 1 {
        return Ok(Layer::Depthwise(Depthwise::new(shape, &kernel, &bias, activation)));
    }
    Ok(Layer::Conv(Conv::new(shape, &kernel, &bias, activation)))
}

/// A linear layer with a weight `[out][in]`.
pub(super) fn linear(
    weight: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> Result<Linear, VisionError> {
    let (output, input) = weight.dims2()?;
    let (weight, bias) = (weight.flatten_all()?.to_vec1()?, bias.to_vec1()?);
    let shape = Shape::same(input, output, 1, 1);
    Ok(Linear(Conv::new(shape, &weight, &bias, activation)))
}
