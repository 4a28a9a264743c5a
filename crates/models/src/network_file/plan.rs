//! A network with all of its values filled in: what each layer does, and the shapes.

use std::fmt;

use crate::random::bound;

/// The shape of one image's values between two layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayerShape {
    /// An image.
    Image {
        /// Number of channels.
        channels: usize,
        /// Rows of pixels.
        height: usize,
        /// Columns of pixels.
        width: usize,
    },
    /// A sequence of tokens.
    Tokens {
        /// Number of tokens.
        tokens: usize,
        /// Numbers of a token.
        width: usize,
    },
    /// A row of numbers.
    Row {
        /// Number of numbers.
        features: usize,
    },
}

impl LayerShape {
    /// Channels of an image, numbers of a token, or features of a row.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Image { channels, .. } => channels,
            Self::Tokens { width, .. } => width,
            Self::Row { features } => features,
        }
    }

    /// Pixels of an image, or tokens; 1 for a row.
    #[must_use]
    pub fn positions(self) -> usize {
        match self {
            Self::Image { height, width, .. } => height * width,
            Self::Tokens { tokens, .. } => tokens,
            Self::Row { .. } => 1,
        }
    }

    /// The same shape with other channels.
    pub(crate) fn with_channels(self, channels: usize) -> Self {
        match self {
            Self::Image { height, width, .. } => Self::Image { channels, height, width },
            Self::Tokens { tokens, .. } => Self::Tokens { tokens, width: channels },
            Self::Row { .. } => Self::Row { features: channels },
        }
    }
}

impl fmt::Display for LayerShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { channels, height, width } => write!(f, "{channels}×{height}×{width}"),
            Self::Tokens { tokens, width } => write!(f, "{tokens}×{width} tokens"),
            Self::Row { features } => write!(f, "{features}"),
        }
    }
}

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlannedActivation {
    Relu,
    /// min(ReLU, 6).
    Relu6,
    /// With the exact error function, torch's default.
    Gelu,
    Silu,
}

/// A square window that moves over an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PlannedWindow {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
}

/// What a layer does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PlannedOperation {
    Conv {
        window: PlannedWindow,
        /// Rows of zeros below and columns at the right, beyond the window's padding.
        more: usize,
        groups: usize,
        bias: bool,
    },
    BatchNorm {
        epsilon: f64,
        momentum: f64,
    },
    LayerNorm {
        epsilon: f64,
    },
    Activation(PlannedActivation),
    MaxPool(PlannedWindow),
    AveragePool(PlannedWindow),
    /// The mean of windows that divide the image into as many rows and columns.
    Adaptive(usize),
    /// The mean of each channel over the image.
    GlobalAverage,
    Linear {
        bias: bool,
    },
    Dropout(f64),
    Attention {
        heads: usize,
    },
    Tokens {
        class_token: bool,
        positions: bool,
    },
    FirstToken,
    MeanTokens,
    Flatten,
    /// Every stride-th pixel, with zero channels before and after.
    OptionA {
        stride: usize,
    },
    Residual {
        body: Vec<PlannedLayer>,
        shortcut: Vec<PlannedLayer>,
    },
    Concatenation(Vec<Vec<PlannedLayer>>),
}

/// A layer with its shapes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedLayer {
    /// The beginning of its tensors' names, without the last dot.
    pub(crate) name: String,
    /// The kind as in the file.
    pub(crate) kind: String,
    pub(crate) operation: PlannedOperation,
    pub(crate) input: LayerShape,
    pub(crate) output: LayerShape,
}

/// How a tensor begins when nothing is given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Start {
    /// Uniform between −bound and bound.
    Uniform(f64),
    Constant(f64),
}

/// A tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlannedTensor {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) start: Start,
    /// Whether it is trained; the running mean and variance of a batch norm are not.
    pub(crate) trained: bool,
}

impl PlannedLayer {
    /// Channels, tokens' widths or features that go in and come out.
    pub(crate) fn channels(&self) -> [usize; 2] {
        [self.input.channels(), self.output.channels()]
    }

    /// The layer's own tensors, not those of layers inside it. They begin as torch's do by default:
    /// `Conv2d` and `Linear` uniform within 1/√fan-in (`reset_parameters`, Kaiming-uniform with a = √5),
    /// `MultiheadAttention`'s projection Xavier-uniform and its biases 0; the class token and positions are
    /// uniform within 0.02.
    pub(crate) fn tensors(&self) -> Vec<PlannedTensor> {
        let [input, output] = self.channels();
        let tensor = |part: &str, shape: &[usize], start| PlannedTensor {
            name: format!("{}.{part}", self.name),
            shape: shape.to_vec(),
            start,
            trained: !part.starts_with("running_"),
        };
        let (zeros, ones) = (Start::Constant(0.0), Start::Constant(1.0));
        let by_inputs = |inputs: usize| Start::Uniform(f64::from(bound(inputs)));
        match self.operation {
            PlannedOperation::Conv {
                window: PlannedWindow { kernel, .. }, groups, bias, ..
            } => {
                let inputs = input / groups;
                let start = by_inputs(inputs * kernel * kernel);
                let weight = tensor("weight", &[output, inputs, kernel, kernel], start);
                let bias = bias.then(|| tensor("bias", &[output], start));
                [weight].into_iter().chain(bias).collect()
            }
            PlannedOperation::Linear { bias } => {
                let start = by_inputs(input);
                let bias = bias.then(|| tensor("bias", &[output], start));
                [tensor("weight", &[output, input], start)].into_iter().chain(bias).collect()
            }
            PlannedOperation::BatchNorm { .. } => vec![
                tensor("weight", &[input], ones),
                tensor("bias", &[input], zeros),
                tensor("running_mean", &[input], zeros),
                tensor("running_var", &[input], ones),
            ],
            PlannedOperation::LayerNorm { .. } => {
                vec![tensor("weight", &[input], ones), tensor("bias", &[input], zeros)]
            }
            PlannedOperation::Attention { .. } => {
                let xavier = Start::Uniform((6.0 / (4 * input) as f64).sqrt());
                vec![
                    tensor("in_proj_weight", &[3 * input, input], xavier),
                    tensor("in_proj_bias", &[3 * input], zeros),
                    tensor("out_proj.weight", &[input, input], by_inputs(input)),
                    tensor("out_proj.bias", &[input], zeros),
                ]
            }
            PlannedOperation::Tokens { class_token, positions } => {
                let small = Start::Uniform(0.02);
                let class = class_token.then(|| tensor("class_token", &[1, 1, output], small));
                let tokens = [1, self.output.positions(), output];
                let positions = positions.then(|| tensor("positions", &tokens, small));
                class.into_iter().chain(positions).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Calls `visit` for the layer and all layers inside it, in their order in the file.
    pub(crate) fn visit<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        match &self.operation {
            PlannedOperation::Residual { body, shortcut } => {
                body.iter().chain(shortcut).for_each(|layer| layer.visit(visit));
            }
            PlannedOperation::Concatenation(branches) => {
                branches.iter().flatten().for_each(|layer| layer.visit(visit));
            }
            _ => {}
        }
    }
}
