//! Layers of single precision as layers of 8-bit integers.

use std::vec::IntoIter;

use super::{
    super::{
        error::VisionError,
        layers::{Layer, Linear},
    },
    layers::{Addition, ByteLayer},
    ranges::Ranges,
};
use crate::kernels::{
    bytes::{AddBytes, ByteConv, ByteDepthwise, ByteMean, ByteScale, ByteSet},
    image::{Activation, AveragePool, Conv, Depthwise},
};

type Built<T> = Result<T, VisionError>;

/// A network's layers; the last one, which is linear, computes numbers.
pub(super) struct Converted {
    pub(super) input: ByteScale,
    pub(super) layers: Vec<ByteLayer>,
    pub(super) last: ByteConv,
    /// Number of convolutions and linear layers.
    pub(super) products: usize,
}

/// Converts a network whose activations have these ranges.
///
/// # Errors
///
/// If a layer is not supported, or weights or activations are not finite numbers.
pub(super) fn convert(
    network: &str,
    layer: &Layer,
    ranges: &Ranges,
    set: ByteSet,
) -> Built<Converted> {
    let mut converter =
        Converter { network, set, ranges: ranges.steps.clone().into_iter(), products: 0 };
    let Layer::Sequence(layers) = layer else {
        return Err(converter.unfit("it is not a sequence of layers"));
    };
    let Some((Layer::Linear(Linear(last)), layers)) = layers.split_last() else {
        return Err(converter.unfit("its last layer is not linear, which int8 needs"));
    };
    let input = converter.scale(ranges.input)?;
    let (layers, scale) = converter.sequence(layers, input)?;
    let last = converter.conv(last, scale, None, None)?;
    Ok(Converted { input, layers, last, products: converter.products })
}

struct Converter<'a> {
    network: &'a str,
    set: ByteSet,
    /// The ranges of the steps that have not been converted.
    ranges: IntoIter<[f32; 2]>,
    products: usize,
}

impl Converter<'_> {
    fn unfit(&self, reason: impl Into<String>) -> VisionError {
        VisionError::Int8 { network: self.network.to_owned(), reason: reason.into() }
    }

    fn scale(&self, [least, largest]: [f32; 2]) -> Built<ByteScale> {
        if !(least.is_finite() && largest.is_finite()) {
            return Err(self.unfit("its activations on the calibration images are not finite"));
        }
        Ok(ByteScale::covering(least, largest))
    }

    /// The scale of the next step's output.
    fn next(&mut self) -> Built<ByteScale> {
        let range = self.ranges.next();
        let range = range.ok_or_else(|| self.unfit("it was calibrated as another network"))?;
        self.scale(range)
    }

    fn sequence(
        &mut self,
        layers: &[Layer],
        input: ByteScale,
    ) -> Built<(Vec<ByteLayer>, ByteScale)> {
        let (mut converted, mut scale) = (Vec::with_capacity(layers.len()), input);
        for layer in layers {
            let (layer, next) = self.layer(layer, scale)?;
            converted.push(layer);
            scale = next;
        }
        Ok((converted, scale))
    }

    /// A layer whose input has a scale, and the scale of its output. The steps are those of [`Layer::forward`], in the
    /// same order.
    fn layer(&mut self, layer: &Layer, input: ByteScale) -> Built<(ByteLayer, ByteScale)> {
        Ok(match layer {
            Layer::Conv(conv) | Layer::Linear(Linear(conv)) => {
                let output = self.next()?;
                (ByteLayer::Conv(self.conv(conv, input, None, Some(output))?), output)
            }
            Layer::Depthwise(conv) => {
                let output = self.next()?;
                (ByteLayer::Depthwise(self.depthwise(conv, input, output)?), output)
            }
            Layer::MaxPool(pool) => {
                self.next()?;
                (ByteLayer::MaxPool(self.set, *pool), input)
            }
            Layer::AveragePool(pool) => self.mean(*pool, input)?,
            Layer::GlobalAvgPool => self.mean(AveragePool::Adaptive(1), input)?,
            Layer::Flatten => {
                self.next()?;
                (ByteLayer::Flatten, input)
            }
            Layer::Sequence(layers) => {
                let (layers, output) = self.sequence(layers, input)?;
                (ByteLayer::Sequence(layers), output)
            }
            Layer::Residual { path, shortcut, relu } => {
                self.residual(path, shortcut.as_deref(), *relu, input)?
            }
            Layer::Custom(layer) => match layer.selection() {
                Some(conv) => {
                    self.next()?;
                    // Bytes that are copied keep their scale.
                    (ByteLayer::Conv(self.conv(conv, input, None, Some(input))?), input)
                }
                None => return Err(self.unfit("it has a layer that int8 does not support")),
            },
            Layer::ScaleShift(_) => return Err(self.unsupported("batch norm before a convolution")),
            Layer::LayerNorm(_) => return Err(self.unsupported("layer norm")),
            Layer::Grow(_) | Layer::Branches(_) => {
                return Err(self.unsupported("concatenation of channels"));
            }
            Layer::HalfAndShuffle(_) | Layer::BranchesAndShuffle(..) => {
                return Err(self.unsupported("channel shuffle"));
            }
            Layer::Gated(_) => return Err(self.unsupported("squeeze and excitation")),
        })
    }

    fn unsupported(&self, what: &str) -> VisionError {
        self.unfit(format!("{what} is not supported in int8"))
    }

    fn mean(&mut self, pool: AveragePool, input: ByteScale) -> Built<(ByteLayer, ByteScale)> {
        let output = self.next()?;
        Ok((ByteLayer::Mean(ByteMean::new(self.set, pool, input, output)), output))
    }

    fn residual(
        &mut self,
        path: &Layer,
        shortcut: Option<&Layer>,
        relu: bool,
        input: ByteScale,
    ) -> Built<(ByteLayer, ByteScale)> {
        let (shortcut, kept) = match shortcut {
            Some(layer) => {
                let (layer, scale) = self.layer(layer, input)?;
                (Some(Box::new(layer)), scale)
            }
            None => (None, input),
        };
        let layers = match path {
            Layer::Sequence(layers) => &layers[..],
            other => std::slice::from_ref(other),
        };
        if let Some((Layer::Conv(last), rest)) = layers.split_last()
            && last.adds_before(relu)
        {
            let (path, scale) = self.sequence(rest, input)?;
            let output = self.next()?;
            let add = Addition::Last(self.conv(last, scale, Some(kept), Some(output))?);
            return Ok((ByteLayer::Residual { path, shortcut, add }, output));
        }
        // A last linear layer or a nested sequence adds the shortcut itself, too, so that there is one range for both.
        if let Some(Layer::Linear(_) | Layer::Sequence(_)) = layers.last() {
            return Err(self.unsupported("an addition after a linear layer or a nested block"));
        }
        let (path, scale) = self.sequence(layers, input)?;
        let output = self.next()?;
        let add = Addition::After(AddBytes::new(self.set, [scale, kept], relu, output));
        Ok((ByteLayer::Residual { path, shortcut, add }, output))
    }

    fn conv(
        &mut self,
        conv: &Conv,
        input: ByteScale,
        residual: Option<ByteScale>,
        output: Option<ByteScale>,
    ) -> Built<ByteConv> {
        let (shape, activation) = (*conv.shape(), conv.activation());
        if shape.groups != 1 {
            let what = format!("a convolution in {} groups", shape.groups);
            return Err(self.unsupported(&what));
        }
        let (weights, bias) = (conv.rows(conv.terms()), conv.biases());
        self.check(&[&weights, &bias], activation)?;
        self.products += 1;
        let weights = (&weights[..], &bias[..]);
        Ok(ByteConv::new(self.set, shape, weights, input, residual, (activation, output))?)
    }

    fn depthwise(
        &mut self,
        conv: &Depthwise,
        input: ByteScale,
        output: ByteScale,
    ) -> Built<ByteDepthwise> {
        let (shape, activation) = (*conv.shape(), conv.activation());
        self.check(&[conv.weights(), conv.bias()], activation)?;
        self.products += 1;
        let channels = shape.output;
        let of = |channel: usize| conv.weights()[channel..].iter().step_by(channels);
        let weights: Vec<f32> = (0..channels).flat_map(of).copied().collect();
        let weights = (&weights[..], conv.bias());
        Ok(ByteDepthwise::new(self.set, shape, weights, input, (activation, output)))
    }

    fn check(&self, weights: &[&[f32]], activation: Activation) -> Built<()> {
        if !weights.iter().flat_map(|weights| weights.iter()).all(|weight| weight.is_finite()) {
            return Err(self.unfit("its weights are not finite"));
        }
        match activation {
            Activation::None | Activation::Relu | Activation::Relu6 => Ok(()),
            other => Err(self.unsupported(&format!("the activation {other:?}"))),
        }
    }
}
