//! Weights by name: random ones, those of a state dict, or zeros where only their shapes matter.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::{
    error::VisionError,
    layers::{Activation, Layer, Linear},
    state_names::with_prefix,
    trainable::{BatchNorms, Convolution, Drop, Norm, ScaledLinear, initial},
};
pub(super) use crate::kernels::image::ConvShape as Shape;
use crate::{
    kernels::image::{Conv, Depthwise, LayerNorm, ScaleShift},
    masks::Masks,
    random::Stream,
};

/// PyTorch's default of what is added to the variance in batch norm.
const EPSILON: f64 = 1e-5;

/// PyTorch's default share of the new statistics in the running ones of batch norm.
const MOMENTUM: f64 = 0.1;

/// Hands out weights under torchvision's names, and counts the parameters.
pub(super) struct Weights {
    source: Values,
    /// Trained parameters handed out so far.
    parameters: usize,
    epsilon: f64,
    /// Share of the new statistics in the running ones of batch norm.
    momentum: f64,
    /// Layers with random masks so far.
    masked: usize,
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
    /// Variables that are trained. Layers come out in a form that can be differentiated.
    Variables(Variables),
}

/// Variables that are trained.
pub(super) struct Variables {
    /// Name of the network, which determines the initial values.
    pub(super) network: &'static str,
    pub(super) builder: VarBuilder<'static>,
    /// Decides what dropout leaves out.
    pub(super) masks: Masks,
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
        let (epsilon, momentum) = (EPSILON, MOMENTUM);
        Self { source, parameters: 0, epsilon, momentum, masked: 0, requested: Vec::new() }
    }

    /// For training.
    pub(super) fn variables(variables: Variables) -> Self {
        Self::new(Values::Variables(variables))
    }

    /// Whether layers must come out in a form that can be differentiated.
    pub(super) fn trains(&self) -> bool {
        matches!(self.source, Values::Variables(_))
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

    /// Sets the share of the new statistics in the running ones, for every following batch norm.
    pub(super) fn batch_norm_momentum(&mut self, momentum: f64) {
        self.momentum = momentum;
    }

    /// A tensor by name. A random one is uniform in ±`bound` around `center`.
    fn tensor(
        &mut self,
        name: &str,
        shape: &[usize],
        center: f32,
        bound: f32,
    ) -> Result<Tensor, VisionError> {
        if let Values::Variables(variables) = &self.source {
            // Biases follow their weights.
            let weight = self.requested.last().filter(|(weight, shape)| {
                name.ends_with("bias") && weight.ends_with("weight") && shape.len() > 1
            });
            let inputs = |shape: &[usize]| shape.iter().skip(1).product();
            let init = match weight {
                Some((_, weight)) => initial(variables.network, name, shape, inputs(weight), true),
                None if bound > 0.0 || shape.len() > 1 => {
                    initial(variables.network, name, shape, inputs(shape), false)
                }
                None => candle_nn::Init::Const(center.into()),
            };
            let tensor = variables.builder.get_with_hints(shape, name, init)?;
            self.requested.push((name.to_owned(), shape.to_vec()));
            return Ok(tensor);
        }
        self.requested.push((name.to_owned(), shape.to_vec()));
        let count = shape.iter().product();
        let given = match &self.source {
            Values::Given(given) => given,
            Values::Variables(_) | Values::Zero => {
                return Ok(Tensor::from_vec(vec![0.0_f32; count], shape, &Device::Cpu)?);
            }
            Values::Random(seed) if bound > 0.0 => {
                let mut values = Stream::new(*seed, name).uniform(count, bound);
                values.iter_mut().for_each(|value| *value += center);
                return Ok(Tensor::from_vec(values, shape, &Device::Cpu)?);
            }
            Values::Random(_) => {
                return Ok(Tensor::from_vec(vec![center; count], shape, &Device::Cpu)?);
            }
        };
        let fail =
            |found| VisionError::State { name: name.to_owned(), found, expected: shape.to_vec() };
        let missing = || match with_prefix(name, given) {
            Some((found, prefix)) => format!(
                "missing, but there is `{found}`: remove the prefix `{prefix}` from the names"
            ),
            None => "missing".to_owned(),
        };
        let tensor = given.get(name).ok_or_else(|| fail(missing()))?;
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
        if self.trains() {
            return Ok(trained_convolution(kernel, Some(bias), None, shape, activation));
        }
        self.convolution(&kernel, &bias, shape, activation)
    }

    /// A convolution without bias.
    pub(super) fn bare_conv(&mut self, name: &str, shape: Shape) -> Result<Layer, VisionError> {
        let kernel = self.kernel(name, shape)?;
        if self.trains() {
            return Ok(trained_convolution(kernel, None, None, shape, Activation::None));
        }
        let bias = Tensor::zeros(shape.output, DType::F32, &Device::Cpu)?;
        self.convolution(&kernel, &bias, shape, Activation::None)
    }

    /// Batch norm for training.
    fn trained_norm(&mut self, name: &str, channels: usize) -> Result<BatchNorms, VisionError> {
        let gamma = self.trained(&format!("{name}.weight"), &[channels], 1.0, 0.0)?;
        let beta = self.trained(&format!("{name}.bias"), &[channels], 0.0, 0.0)?;
        let mean = self.tensor(&format!("{name}.running_mean"), &[channels], 0.0, 0.0)?;
        let variance = self.tensor(&format!("{name}.running_var"), &[channels], 1.0, 0.0)?;
        Ok(BatchNorms::new([mean, variance, gamma, beta], self.epsilon, self.momentum)?)
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
        if self.trains() {
            let norm = self.trained_norm(norm, shape.output)?;
            return Ok(trained_convolution(kernel, None, Some(norm), shape, activation));
        }
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
        (shape, more): (Shape, usize),
        activation: Activation,
    ) -> Result<Layer, VisionError> {
        let kernel = self.kernel(name, shape)?;
        let (kernel, bias) = self.folded(name, kernel, bias, norm)?;
        // A kernel that begins with zeros, and as much more padding at both ends, has the same results as more
        // padding at the end alone.
        let kernel = kernel.pad_with_zeros(2, more, 0)?.pad_with_zeros(3, more, 0)?;
        let larger = |sizes: [usize; 2]| sizes.map(|size| size + more);
        let shape = Shape { kernel: larger(shape.kernel), padding: larger(shape.padding), ..shape };
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
        if self.trains() {
            return Ok(trained_linear(kernel, Some(bias), None, activation));
        }
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
        if self.trains() {
            let norm = self.trained_norm(name, channels)?;
            return Ok(Layer::Custom(Box::new(Norm::Batch(norm))));
        }
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
        if self.trains() {
            return Ok(trained_linear(weight, Some(bias), None, activation));
        }
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
        let gamma = self.trained(&format!("{name}.weight"), &[channels], 1.0, 0.0)?;
        let beta = self.trained(&format!("{name}.bias"), &[channels], 0.0, 0.0)?;
        if self.trains() {
            let norm = Norm::Layer { gamma, beta, epsilon: f64::from(epsilon) };
            return Ok(Layer::Custom(Box::new(norm)));
        }
        let (gamma, beta) = (gamma.to_vec1()?, beta.to_vec1()?);
        Ok(Layer::LayerNorm(LayerNorm { gamma, beta, epsilon }))
    }
}

impl Weights {
    /// Dropout before a layer, while the network is trained (Srivastava et al. 2014). `None` for inference.
    pub(super) fn dropout(&mut self, share: f64) -> Option<Layer> {
        self.masked_layer(share, false)
    }

    /// A path whose output is set to 0 for some images while the network is trained (stochastic depth, Huang et
    /// al. 2016). For inference, the path itself.
    pub(super) fn stochastic_depth(&mut self, path: Layer, share: f64) -> Layer {
        match self.masked_layer(share, true) {
            Some(drop) => Layer::Sequence(vec![path, drop]),
            None => path,
        }
    }

    fn masked_layer(&mut self, share: f64, images: bool) -> Option<Layer> {
        let Values::Variables(variables) = &self.source else { return None };
        self.masked += 1;
        let (name, masks) = (self.masked.to_string(), variables.masks.clone());
        Some(Layer::Custom(Box::new(Drop { name, share, images, masks })))
    }
}

/// A convolution for training.
fn trained_convolution(
    kernel: Tensor,
    bias: Option<Tensor>,
    norm: Option<BatchNorms>,
    shape: Shape,
    activation: Activation,
) -> Layer {
    Layer::Custom(Box::new(Convolution { shape, kernel, bias, norm, activation }))
}

/// A linear layer for training, `(x · weightᵀ + bias) · scale`.
pub(super) fn trained_linear(
    weight: Tensor,
    bias: Option<Tensor>,
    scale: Option<Tensor>,
    activation: Activation,
) -> Layer {
    Layer::Custom(Box::new(ScaledLinear { weight, bias, scale, activation }))
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
