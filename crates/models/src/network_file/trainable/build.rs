//! Builds the modules of a plan.

use candle_core::{Result, Tensor};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Init, Linear, VarBuilder};

use super::{
    Chain, Layers, Part,
    attention::{Attention, FirstToken, MeanTokens, Tokens},
    layers::{Activation, Concatenation, Dropout, Flatten, LayerNorm, OptionA, Padded, Residual},
    pool::{Adaptive, AveragePool, GlobalAverage, MaxPool},
};
use crate::{
    network_file::plan::{LayerShape, PlannedLayer, PlannedOperation, Start},
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
        layers.iter().map(|layer| self.part(layer)).collect()
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
        let mut next = || {
            let missing = || candle_core::Error::Msg(format!("`{}` has no tensors", layer.name));
            tensors.next().ok_or_else(missing)
        };
        // Here our own layers take the place of candle's once `layers` offers them.
        let Layers::Candle = self.layers;
        Ok(match &layer.operation {
            PlannedOperation::Conv { window, groups, bias } => {
                let (weight, bias) = (next()?, if *bias { Some(next()?) } else { None });
                // candle's backward pass fails where the padding is wider than half of the kernel.
                let wide = 2 * window.padding > window.kernel;
                let (before, padding) =
                    if wide { (window.padding, 0) } else { (0, window.padding) };
                let config = Conv2dConfig {
                    padding,
                    stride: window.stride,
                    groups: *groups,
                    ..Conv2dConfig::default()
                };
                Box::new(Padded { padding: before, conv: Conv2d::new(weight, bias, config) })
            }
            PlannedOperation::BatchNorm { epsilon, momentum } => {
                let (weight, bias, mean, variance) = (next()?, next()?, next()?, next()?);
                let features = layer.input.channels();
                Box::new(BatchNorm::new_with_momentum(
                    features, mean, variance, weight, bias, *epsilon, *momentum,
                )?)
            }
            PlannedOperation::LayerNorm { epsilon } => {
                let image = matches!(layer.input, LayerShape::Image { .. });
                Box::new(LayerNorm { weight: next()?, bias: next()?, epsilon: *epsilon, image })
            }
            PlannedOperation::Activation(activation) => Box::new(Activation(*activation)),
            PlannedOperation::MaxPool(window) => Box::new(MaxPool(*window)),
            PlannedOperation::AveragePool(window) => Box::new(AveragePool(*window)),
            PlannedOperation::Adaptive(side) => Box::new(Adaptive(*side)),
            PlannedOperation::GlobalAverage => Box::new(GlobalAverage),
            PlannedOperation::Linear { bias } => {
                let (weight, bias) = (next()?, if *bias { Some(next()?) } else { None });
                Box::new(super::layers::Dense(Linear::new(weight, bias)))
            }
            PlannedOperation::Dropout(share) => {
                Box::new(Dropout::new(*share, Stream::new(self.dropout_seed, &layer.name)))
            }
            PlannedOperation::Attention { heads } => {
                Box::new(Attention::new([next()?, next()?], [next()?, next()?], *heads))
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
