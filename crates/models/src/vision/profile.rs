//! What each layer of a vision network does.

use candle_core::{Result, Tensor};

use super::{
    VisionError, VisionNetwork,
    layers::{Layer, Linear, Step, Watch},
};
use crate::{
    Control,
    kernels::image::{Activation, ConvShape},
    profile::{LayerKind, Observer, Pass, Work},
};

/// Bytes of a float.
const FLOAT: f64 = 4.0;

impl VisionNetwork {
    /// Tells of the forward pass of each layer over a batch of images `[n][3][side][side]`, all images
    /// at a time; activations and additions are part of the convolution that ends with them. Whether it
    /// came to the end.
    ///
    /// # Errors
    ///
    /// If the images are not what the network takes.
    pub fn profile(
        &self,
        images: &Tensor,
        observe: &mut Observer<'_>,
    ) -> std::result::Result<bool, VisionError> {
        let images = self.taken(images)?;
        let mut profiler = Profiler { observe, steps: 0, stopped: false };
        rayon::scope(|_| self.layer.forward(&images, &mut profiler))?;
        Ok(!profiler.stopped)
    }
}

struct Profiler<'a, 'b> {
    observe: &'a mut Observer<'b>,
    /// Told so far.
    steps: usize,
    stopped: bool,
}

impl Watch for Profiler<'_, '_> {
    fn step(
        &mut self,
        step: Step<'_>,
        x: &Tensor,
        run: &dyn Fn() -> Result<Tensor>,
    ) -> Result<Tensor> {
        let out = run()?;
        if self.stopped {
            return Ok(out);
        }
        self.steps += 1;
        let About { name, kind, flops, weights } = about(step, x, &out);
        let floats = (x.elem_count() + out.elem_count() + weights) as f64;
        let work = Work {
            layer: format!("{} {name}, {}", self.steps, shape(&out)),
            kind,
            pass: Pass::Forward,
            flops,
            bytes: FLOAT * floats,
            by_difference: false,
        };
        // It has just gone well, on the same input.
        let control = (self.observe)(&work, &mut |_| drop(run()));
        self.stopped = control == Control::Stop;
        Ok(out)
    }
}

/// Rows, columns and channels of an image, or what there is without the batch.
fn shape(out: &Tensor) -> String {
    let sizes: Vec<String> = out.dims().iter().skip(1).map(ToString::to_string).collect();
    sizes.join("×")
}

struct About {
    name: String,
    kind: LayerKind,
    flops: f64,
    /// Numbers.
    weights: usize,
}

fn about(step: Step<'_>, x: &Tensor, out: &Tensor) -> About {
    let each = |name: &str, kind, operations: f64| About {
        name: name.to_owned(),
        kind,
        flops: operations * out.elem_count() as f64,
        weights: 0,
    };
    match step {
        Step::Add => each("addition", LayerKind::Other, 1.0),
        Step::Concatenate => each("concatenation", LayerKind::Other, 0.0),
        Step::Shuffle => each("channel shuffle", LayerKind::Other, 0.0),
        Step::Layer(layer) => match layer {
            Layer::Conv(conv) => convolution(conv.shape(), conv.activation(), out),
            Layer::Depthwise(conv) => convolution(conv.shape(), conv.activation(), out),
            Layer::Linear(Linear(conv)) => linear(conv.shape(), conv.activation(), out),
            Layer::ScaleShift(_) => each("BatchNorm2d + ReLU", LayerKind::Norm, 3.0),
            // Mean, variance, and the scale and shift of each value.
            Layer::LayerNorm(_) => each("LayerNorm", LayerKind::Norm, 7.0),
            Layer::MaxPool(pool) => {
                let operations = (pool.kernel * pool.kernel) as f64;
                each("MaxPool2d", LayerKind::Pooling, operations)
            }
            Layer::AveragePool(_) | Layer::GlobalAvgPool => {
                About { flops: x.elem_count() as f64, ..each("mean", LayerKind::Pooling, 0.0) }
            }
            Layer::Flatten => each("flatten", LayerKind::Other, 0.0),
            Layer::Gated(_) => each("gate", LayerKind::Other, 1.0),
            Layer::Special(special) => {
                let (name, kind, operations) = special.about(x);
                About { flops: operations, ..each(name, kind, 0.0) }
            }
            // The others are made of these.
            _ => each("layers", LayerKind::Other, 0.0),
        },
    }
}

fn followed(activation: Activation) -> String {
    match activation {
        Activation::None => String::new(),
        other => format!(" + {other:?}"),
    }
}

fn convolution(shape: &ConvShape, activation: Activation, out: &Tensor) -> About {
    let ConvShape { input, output, kernel: [h, w], stride, groups, .. } = *shape;
    let window = h * w * input / groups;
    let mut name = format!("Conv2d {h}×{w} {input}→{output}");
    if stride > 1 {
        name += &format!(" /{stride}");
    }
    if groups > 1 {
        name += &format!(" in {groups} groups");
    }
    About {
        name: name + &followed(activation),
        kind: LayerKind::Convolution,
        flops: 2.0 * (window * out.elem_count()) as f64,
        weights: window * output + output,
    }
}

fn linear(shape: &ConvShape, activation: Activation, out: &Tensor) -> About {
    let ConvShape { input, output, .. } = *shape;
    About {
        name: format!("Linear {input}→{output}{}", followed(activation)),
        kind: LayerKind::Linear,
        flops: 2.0 * (input * out.elem_count()) as f64,
        weights: input * output + output,
    }
}
