//! Networks of TOML files, built of this crate's layers: batch norms are folded into the layer before, and
//! activations and additions are part of convolutions and linear layers where they can be.

use candle_core::{Result, Tensor};

use super::{
    attention::Attention,
    device_pass::{DeviceTensor, ForwardPass},
    error::VisionError,
    layers::{Activation, CustomLayer, Layer, NoObserver},
    transformer::{FirstToken, GlobalAttention, Tokens},
    weights::{Shape, Weights},
};
use crate::{
    kernels::image::{AveragePool, Conv, Depthwise, MaxPool, ScaleShift},
    network_file::{NetworkPlan, PlannedActivation, PlannedLayer, PlannedOperation, PlannedWindow},
    profile::LayerKind,
};

type Built<T> = std::result::Result<T, VisionError>;

/// Builds the layers of a plan.
pub(super) fn described(plan: &NetworkPlan, w: &mut Weights) -> Built<Layer> {
    Ok(Layer::Sequence(sequence(&plan.layers, w, false)?))
}

/// Builds layers that follow one another. If `then_relu`, the last one is followed by an addition and a ReLU, and
/// gets the ReLU if it can do the addition, too.
fn sequence(layers: &[PlannedLayer], w: &mut Weights, then_relu: bool) -> Built<Vec<Layer>> {
    let mut built = Vec::new();
    let mut rest = layers;
    while let Some((layer, after)) = rest.split_first() {
        let group = Group::new(after);
        let (added, used) = match &layer.operation {
            PlannedOperation::Conv { .. } | PlannedOperation::Linear { .. } => {
                let relu = then_relu && group.used == after.len() && adds(layer, &group);
                (Some(product(layer, &group, relu, w)?), group.used)
            }
            PlannedOperation::BatchNorm { epsilon, .. } => {
                let (activation, used) = Group::activation(after);
                (Some(norm(layer, *epsilon, activation, w)?), used)
            }
            PlannedOperation::Residual { body, shortcut } => {
                let (activation, used) = Group::activation(after);
                let added = residual(body, shortcut, activation, layer.output.channels(), w)?;
                built.extend(added);
                (None, used)
            }
            _ => (single(layer, w)?, 0),
        };
        built.extend(added);
        rest = &after[used..];
    }
    Ok(built)
}

/// The layers that become part of the layer before them.
struct Group<'a> {
    norm: Option<(&'a str, f64)>,
    activation: Activation,
    used: usize,
}

impl<'a> Group<'a> {
    /// A batch norm and an activation at the beginning of some layers.
    fn new(layers: &'a [PlannedLayer]) -> Self {
        let norm = layers.first().and_then(|layer| match layer.operation {
            PlannedOperation::BatchNorm { epsilon, .. } => Some((layer.name.as_str(), epsilon)),
            _ => None,
        });
        let norms = usize::from(norm.is_some());
        let (activation, used) = Self::activation(&layers[norms..]);
        Self { norm, activation, used: norms + used }
    }

    /// An activation at the beginning, and how many layers it is: 0 or 1.
    fn activation(layers: &[PlannedLayer]) -> (Activation, usize) {
        match layers.first().map(|layer| &layer.operation) {
            Some(PlannedOperation::Activation(activation)) => (kernel_of(*activation), 1),
            _ => (Activation::None, 0),
        }
    }
}

fn kernel_of(activation: PlannedActivation) -> Activation {
    match activation {
        PlannedActivation::Relu => Activation::Relu,
        PlannedActivation::Relu6 => Activation::Relu6,
        PlannedActivation::Gelu => Activation::Gelu,
        PlannedActivation::Silu => Activation::Silu,
    }
}

/// Whether a convolution or a linear layer without an activation of its own can add a residual: a depthwise
/// convolution cannot.
fn adds(layer: &PlannedLayer, group: &Group<'_>) -> bool {
    let [input, output] = layer.channels();
    let depthwise = match layer.operation {
        PlannedOperation::Conv { groups, .. } => groups > 1 && groups == input && groups == output,
        _ => false,
    };
    group.activation == Activation::None && !depthwise
}

/// A convolution or a linear layer with its group.
fn product(layer: &PlannedLayer, group: &Group<'_>, relu: bool, w: &mut Weights) -> Built<Layer> {
    let [input, output] = layer.channels();
    let activation = if relu { Activation::Relu } else { group.activation };
    if let PlannedOperation::Conv { window, more, groups, bias } = layer.operation {
        let PlannedWindow { kernel, stride, padding } = window;
        let (kernel, padding) = ([kernel; 2], [padding; 2]);
        let shape = Shape { input, output, kernel, stride, padding, groups };
        return w.folded_conv((&layer.name, bias), group.norm, (shape, more), activation);
    }
    let bias = layer.operation == PlannedOperation::Linear { bias: true };
    w.folded_linear((&layer.name, bias), group.norm, [input, output], activation)
}

/// A batch norm that follows no convolution.
fn norm(
    layer: &PlannedLayer,
    epsilon: f64,
    activation: Activation,
    w: &mut Weights,
) -> Built<Layer> {
    let channels = layer.input.channels();
    let (scale, shift) = w.channel_norm(&layer.name, channels, epsilon)?;
    let (scale, shift) = (scale.to_vec1()?, shift.to_vec1()?);
    let image = matches!(layer.input, crate::network_file::LayerShape::Image { .. });
    if image && activation == Activation::Relu {
        return Ok(Layer::ScaleShift(ScaleShift { scale, shift }));
    }
    Ok(PerChannel::layer(&scale, &shift, activation, ("batch norm", LayerKind::Norm)))
}

/// An addition with the activation after it.
fn residual(
    body: &[PlannedLayer],
    shortcut: &[PlannedLayer],
    activation: Activation,
    channels: usize,
    w: &mut Weights,
) -> Built<Vec<Layer>> {
    let mut relu = activation == Activation::Relu;
    let mut path = sequence(body, w, relu)?;
    // A last layer with a ReLU of its own must not be taken for one that has the ReLU after the addition.
    if relu && ends_with_relu(body) {
        relu = false;
    }
    if path.is_empty() {
        path.push(activation_layer(Activation::None, channels));
    }
    let shortcut = sequence(shortcut, w, false)?;
    let shortcut =
        if shortcut.is_empty() { None } else { Some(Box::new(Layer::Sequence(shortcut))) };
    let mut built = vec![Layer::Residual { path: Box::new(Layer::Sequence(path)), shortcut, relu }];
    if activation != Activation::None && !relu {
        built.push(activation_layer(activation, channels));
    }
    Ok(built)
}

/// Whether the last of some layers is a ReLU; dropout does nothing in a forward pass.
fn ends_with_relu(layers: &[PlannedLayer]) -> bool {
    let mut layers = layers.iter().rev().map(|layer| &layer.operation);
    let last = layers.find(|operation| !matches!(operation, PlannedOperation::Dropout(_)));
    matches!(last, Some(PlannedOperation::Activation(PlannedActivation::Relu)))
}

/// A layer that is computed alone; `None` if it does nothing in a forward pass.
fn single(layer: &PlannedLayer, w: &mut Weights) -> Built<Option<Layer>> {
    let [input, output] = layer.channels();
    Ok(Some(match &layer.operation {
        PlannedOperation::LayerNorm { epsilon } => {
            w.layer_norm(&layer.name, input, *epsilon as f32)?
        }
        PlannedOperation::Activation(activation) => activation_layer(kernel_of(*activation), input),
        PlannedOperation::MaxPool(PlannedWindow { kernel, stride, padding }) => {
            Layer::MaxPool(MaxPool {
                kernel: *kernel,
                stride: *stride,
                padding: *padding,
                ceil: false,
            })
        }
        PlannedOperation::AveragePool(PlannedWindow { kernel, stride, padding }) => {
            Layer::AveragePool(AveragePool::Windows {
                kernel: *kernel,
                stride: *stride,
                padding: *padding,
            })
        }
        PlannedOperation::Adaptive(side) => Layer::AveragePool(AveragePool::Adaptive(*side)),
        PlannedOperation::GlobalAverage => Layer::GlobalAvgPool,
        PlannedOperation::Attention { heads } => {
            let (weight, bias) =
                (format!("{}.in_proj_weight", layer.name), format!("{}.in_proj_bias", layer.name));
            let combine = format!("{}.out_proj", layer.name);
            let attention = Attention::new(w, (&weight, &bias), &combine, input, *heads)?;
            Layer::Custom(Box::new(GlobalAttention(attention)))
        }
        PlannedOperation::Tokens { class_token, positions } => {
            let mut tensor = |part: &str, shape: &[usize]| {
                w.trained(&format!("{}.{part}", layer.name), shape, 0.0, 0.02)
            };
            let class =
                if *class_token { Some(tensor("class_token", &[1, 1, output])?) } else { None };
            let shape = [1, layer.output.positions(), output];
            let positions = if *positions { Some(tensor("positions", &shape)?) } else { None };
            Layer::Custom(Box::new(Tokens { class, positions }))
        }
        PlannedOperation::FirstToken => Layer::Custom(Box::new(FirstToken)),
        PlannedOperation::MeanTokens => Layer::Custom(Box::new(MeanTokens)),
        PlannedOperation::Flatten => match layer.input {
            crate::network_file::LayerShape::Image { .. } => Layer::Flatten,
            _ => return Ok(None),
        },
        PlannedOperation::OptionA { stride } => option_a(input, output, *stride),
        PlannedOperation::Concatenation(branches) => {
            let branches = branches.iter().map(|branch| sequence(branch, w, false));
            let branches = branches.map(|branch| branch.map(Layer::Sequence));
            Layer::Branches(branches.collect::<Built<_>>()?)
        }
        _ => return Ok(None),
    }))
}

/// An activation that no layer before it can do.
fn activation_layer(activation: Activation, channels: usize) -> Layer {
    let (ones, zeros) = (vec![1.0; channels], vec![0.0; channels]);
    PerChannel::layer(&ones, &zeros, activation, ("activation", LayerKind::Activation))
}

/// A scale, a shift and an activation of each channel of images, tokens or rows.
struct PerChannel {
    operation: Depthwise,
    name: &'static str,
    kind: LayerKind,
}

impl PerChannel {
    fn layer(
        scale: &[f32],
        shift: &[f32],
        activation: Activation,
        (name, kind): (&'static str, LayerKind),
    ) -> Layer {
        let shape = Shape::depthwise(scale.len(), 1, 1);
        let operation = Depthwise::new(shape, scale, shift, activation);
        Layer::Custom(Box::new(Self { operation, name, kind }))
    }
}

impl CustomLayer for PerChannel {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() == 4 {
            return x.apply_op1_no_bwd(&self.operation);
        }
        // Tokens and rows as images of one row of pixels.
        let dims = x.dims().to_vec();
        let channels = self.operation.shape().input;
        let rows = x.elem_count() / channels;
        let image = x.contiguous()?.reshape((1, 1, rows, channels))?;
        image.apply_op1_no_bwd(&self.operation)?.reshape(dims)
    }

    fn forward_on_device(&self, pass: &ForwardPass<'_>, x: DeviceTensor) -> Built<DeviceTensor> {
        let dims = x.dims.clone();
        let mut image = x;
        if let [rows @ .., channels] = &dims[..]
            && dims.len() != 4
        {
            image.dims = vec![1, 1, rows.iter().product(), *channels];
        }
        let mut out = pass.depthwise(&self.operation, &image)?;
        out.dims = dims;
        Ok(out)
    }

    fn describe(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        (self.name, self.kind, 2.0 * x.elem_count() as f64)
    }
}

/// Every stride-th pixel, with zero channels before and after: a 1×1 convolution whose weights are 0 and 1.
fn option_a(input: usize, output: usize, stride: usize) -> Layer {
    let before = (output - input) / 2;
    let mut kernel = vec![0.0_f32; output * input];
    for channel in 0..input {
        kernel[(before + channel) * input + channel] = 1.0;
    }
    let zeros = vec![0.0; output];
    let shape = Shape { stride, ..Shape::same(input, output, 1, 1) };
    let conv = Conv::new(shape, &kernel, &zeros, Activation::None);
    Layer::Custom(Box::new(OptionA(conv)))
}

/// The shortcut without parameters of He et al. (2015), option A.
struct OptionA(Conv);

impl CustomLayer for OptionA {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(x, None)
    }

    fn forward_on_device(&self, pass: &ForwardPass<'_>, x: DeviceTensor) -> Built<DeviceTensor> {
        pass.conv(&self.0, x, None)
    }

    fn selection(&self) -> Option<&Conv> {
        Some(&self.0)
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("shortcut without parameters", LayerKind::Other, 0.0)
    }
}

/// The mean of an image's tokens, `[n][c]`.
struct MeanTokens;

impl CustomLayer for MeanTokens {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Layer::GlobalAvgPool.forward(&x.unsqueeze(1)?, &mut NoObserver)
    }

    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        mut x: DeviceTensor,
    ) -> Built<DeviceTensor> {
        x.dims.insert(1, 1);
        Layer::GlobalAvgPool.forward_on_device(pass, x)
    }

    fn describe(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        ("mean of tokens", LayerKind::Pooling, x.elem_count() as f64)
    }
}
