//! Builds the modules of a plan.

use candle_core::{Result, Tensor};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Init, Linear, VarBuilder};

use super::{
    attention::{Attention, FirstToken, MeanTokens, Tokens},
    layers::{
        Activation, Concatenation, Dense, Dropout, Flatten, FusedRelu, LayerNorm, OptionA, Padded,
        Residual,
    },
    part::{Chain, Part},
    pool::{Adaptive, AveragePool, GlobalAverage, MaxPool},
};
use crate::{
    layers::Layers,
    network_file::plan::{
        LayerShape, PlannedActivation, PlannedLayer, PlannedOperation, PlannedWindow, Start,
    },
    nn,
    random::Stream,
};

/// Builds modules with variables.
pub(super) struct Builder<'a> {
    pub(super) variables: &'a VarBuilder<'a>,
    pub(super) layers: Layers,
    pub(super) dropout_seed: u64,
}

impl Builder<'_> {
    pub(super) fn sequence(&self, layers: &[PlannedLayer]) -> Result<Vec<Part>> {
        let mut parts = Vec::new();
        let mut rest = layers;
        while let Some((layer, after)) = rest.split_first() {
            if let Some((part, used)) = self.block(rest)? {
                parts.push(part);
                rest = &rest[used..];
            } else {
                parts.push(self.part(layer)?);
                rest = after;
            }
        }
        Ok(parts)
    }

    /// A convolution without bias, a batch norm, maybe a ReLU, and a 2×2 max-pool at the beginning of some layers
    /// as one block of our kernels, and how many layers it is.
    fn block(&self, layers: &[PlannedLayer]) -> Result<Option<(Part, usize)>> {
        let [conv, norm, after @ ..] = layers else { return Ok(None) };
        let relu = matches!(
            after.first().map(|layer| &layer.operation),
            Some(PlannedOperation::Activation(PlannedActivation::Relu))
        );
        let pool = after.get(usize::from(relu)).map(|layer| &layer.operation);
        let pooled = matches!(
            pool,
            Some(PlannedOperation::MaxPool(PlannedWindow { kernel: 2, stride: 2, padding: 0 }))
        );
        let (
            PlannedOperation::Conv { window, more: 0, groups, bias: false },
            PlannedOperation::BatchNorm { epsilon, momentum },
            Layers::Fused,
            true,
        ) = (&conv.operation, &norm.operation, self.layers, pooled)
        else {
            return Ok(None);
        };
        let weight = self.tensors(conv)?.remove(0);
        let convolution = nn::Conv2d::new(weight, None, config(*window, window.padding, *groups));
        let norm = self.norm(norm, *epsilon, *momentum)?;
        let block = nn::ConvBlock::new(convolution, norm, relu, true);
        Ok(Some((Box::new(block), 3 + usize::from(relu))))
    }

    /// A batch norm of our kernels.
    fn norm(&self, layer: &PlannedLayer, epsilon: f64, momentum: f64) -> Result<nn::BatchNorm> {
        let [weight, bias, mean, variance] = &self.tensors(layer)?[..] else {
            return Err(missing(layer));
        };
        nn::BatchNorm::new_with_momentum(
            layer.input.channels(),
            mean.clone(),
            variance.clone(),
            weight.clone(),
            bias.clone(),
            epsilon,
            momentum,
        )
    }

    fn linear(&self, weight: Tensor, bias: Option<Tensor>) -> Part {
        match self.layers {
            Layers::Candle => Box::new(Dense(Linear::new(weight, bias))),
            Layers::Fused => Box::new(nn::Linear::new(weight, bias)),
        }
    }

    fn chain(&self, layers: &[PlannedLayer]) -> Result<Chain> {
        Ok(Chain(self.sequence(layers)?))
    }

    /// The layer's tensors, in the order of [`PlannedLayer::tensors`].
    fn tensors(&self, layer: &PlannedLayer) -> Result<Vec<Tensor>> {
        let tensors = layer.tensors().into_iter();
        tensors
            .map(|tensor| {
                let start = match tensor.start {
                    Start::Uniform(bound) => Init::Uniform { lo: -bound, up: bound },
                    Start::Constant(value) => Init::Const(value),
                };
                self.variables.get_with_hints(tensor.shape, &tensor.name, start)
            })
            .collect()
    }

    fn part(&self, layer: &PlannedLayer) -> Result<Part> {
        let mut tensors = self.tensors(layer)?.into_iter();
        let mut next = || tensors.next().ok_or_else(|| missing(layer));
        let fused = self.layers == Layers::Fused;
        Ok(match &layer.operation {
            PlannedOperation::Conv { window, more, groups, bias } => {
                let (weight, bias) = (next()?, if *bias { Some(next()?) } else { None });
                if fused {
                    let config = config(*window, window.padding, *groups);
                    let conv = nn::Conv2d::new(weight, bias, config);
                    return Ok(Box::new(Padded { padding: [0, *more], conv }));
                }
                // candle's backward pass fails where the padding is wider than half of the kernel.
                let wide = 2 * window.padding > window.kernel;
                let (before, padding) =
                    if wide { (window.padding, 0) } else { (0, window.padding) };
                let conv = Conv2d::new(weight, bias, config(*window, padding, *groups));
                Box::new(Padded { padding: [before, before + more], conv })
            }
            PlannedOperation::BatchNorm { epsilon, momentum } if fused => {
                Box::new(self.norm(layer, *epsilon, *momentum)?)
            }
            PlannedOperation::BatchNorm { epsilon, momentum } => {
                let (weight, bias, mean, variance) = (next()?, next()?, next()?, next()?);
                let features = layer.input.channels();
                if fused {
                    return Ok(Box::new(nn::BatchNorm::new_with_momentum(
                        features, mean, variance, weight, bias, *epsilon, *momentum,
                    )?));
                }
                Box::new(BatchNorm::new_with_momentum(
                    features, mean, variance, weight, bias, *epsilon, *momentum,
                )?)
            }
            PlannedOperation::LayerNorm { epsilon } => {
                let image = matches!(layer.input, LayerShape::Image { .. });
                Box::new(LayerNorm { weight: next()?, bias: next()?, epsilon: *epsilon, image })
            }
            PlannedOperation::Activation(PlannedActivation::Relu) if fused => Box::new(FusedRelu),
            PlannedOperation::Activation(activation) => Box::new(Activation(*activation)),
            PlannedOperation::MaxPool(PlannedWindow { kernel, stride, padding }) if fused => {
                Box::new(nn::MaxPool2d::new(*kernel, *stride, *padding))
            }
            PlannedOperation::MaxPool(window) => Box::new(MaxPool(*window)),
            PlannedOperation::AveragePool(PlannedWindow { kernel, stride, padding }) if fused => {
                Box::new(nn::AvgPool2d::new(*kernel, *stride, *padding))
            }
            PlannedOperation::AveragePool(window) => Box::new(AveragePool(*window)),
            PlannedOperation::Adaptive(side) => Box::new(Adaptive(*side)),
            PlannedOperation::GlobalAverage => Box::new(GlobalAverage),
            PlannedOperation::Linear { bias } => {
                let (weight, bias) = (next()?, if *bias { Some(next()?) } else { None });
                self.linear(weight, bias)
            }
            PlannedOperation::Dropout(share) => {
                Box::new(Dropout::new(*share, Stream::new(self.dropout_seed, &layer.name)))
            }
            PlannedOperation::Attention { heads } => {
                let project = self.linear(next()?, Some(next()?));
                let combine = self.linear(next()?, Some(next()?));
                Box::new(Attention { project, combine, heads: *heads, layers: self.layers })
            }
            PlannedOperation::Tokens { class_token, positions } => Box::new(Tokens {
                class: if *class_token { Some(next()?) } else { None },
                positions: if *positions { Some(next()?) } else { None },
            }),
            PlannedOperation::FirstToken => Box::new(FirstToken),
            PlannedOperation::MeanTokens => Box::new(MeanTokens),
            PlannedOperation::Flatten => Box::new(Flatten),
            PlannedOperation::OptionA { stride } => {
                let [input, output] = layer.channels();
                Box::new(OptionA { stride: *stride, zeros: (output - input) / 2 })
            }
            PlannedOperation::Residual { body, shortcut } => {
                Box::new(Residual { body: self.chain(body)?, shortcut: self.chain(shortcut)? })
            }
            PlannedOperation::Concatenation(branches) => {
                let axis = match layer.output {
                    LayerShape::Tokens { .. } => 2,
                    _ => 1,
                };
                let branches = branches.iter().map(|branch| self.chain(branch));
                Box::new(Concatenation { branches: branches.collect::<Result<_>>()?, axis })
            }
        })
    }
}

fn config(window: PlannedWindow, padding: usize, groups: usize) -> Conv2dConfig {
    Conv2dConfig { padding, stride: window.stride, groups, ..Conv2dConfig::default() }
}

fn missing(layer: &PlannedLayer) -> candle_core::Error {
    candle_core::Error::Msg(format!("`{}` has no tensors", layer.name))
}
