//! The layers of a vision network in a forward pass, one by one.

use std::ops::ControlFlow;

use candle_core::{Result, Tensor};

use super::{
    error::VisionError,
    layers::{Layer, Linear, Step, StepObserver},
    network::{Body, VisionNetwork},
};
use crate::{
    kernels::image::{Activation, ConvShape},
    profile::{LayerKind, LayerWork, Observer, Pass},
};

/// Bytes of a float.
const FLOAT: f64 = 4.0;

impl VisionNetwork {
    /// Calls `observe` for the forward pass of each layer over a batch of images `[n][channels][side][side]`,
    /// all images at once. Activations and additions count as part of the convolution that performs
    /// them. Returns whether all layers were visited, or the observer stopped earlier.
    ///
    /// # Errors
    ///
    /// If the network does not accept images of that size.
    pub fn profile(
        &self,
        images: &Tensor,
        observe: &mut Observer<'_>,
    ) -> std::result::Result<bool, VisionError> {
        if let Body::Graph(graph) = &self.body {
            self.check(images)?;
            return Ok(graph.profile(images, observe)?);
        }
        let images = self.channels_last(images)?;
        let mut profiler = Profiler { observe, steps: 0, stopped: false };
        let layer = self.body.layers("a profile of its layers")?;
        rayon::scope(|_| layer.forward(&images, &mut profiler))?;
        Ok(!profiler.stopped)
    }
}

struct Profiler<'a, 'b> {
    observe: &'a mut Observer<'b>,
    /// Steps observed so far.
    steps: usize,
    stopped: bool,
}

impl StepObserver for Profiler<'_, '_> {
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
        let Description { name, kind, flops, weights, taps } = describe(step, x, &out);
        let floats = (x.elem_count() + out.elem_count() + weights) as f64;
        let work = LayerWork {
            layer: format!("{} {name}, {}", self.steps, shape(&out)),
            kind,
            pass: Pass::Forward,
            flops,
            bytes: FLOAT * floats,
            taps,
            by_difference: false,
        };
        // `run` has just succeeded on the same input.
        let flow = (self.observe)(&work, &mut |_| drop(run()));
        self.stopped = flow == ControlFlow::Break(());
        Ok(out)
    }
}

/// The sizes of all axes except the batch.
fn shape(out: &Tensor) -> String {
    let sizes: Vec<String> = out.dims().iter().skip(1).map(ToString::to_string).collect();
    sizes.join("×")
}

/// What a step is and costs.
struct Description {
    name: String,
    kind: LayerKind,
    flops: f64,
    /// Number of weights and biases.
    weights: usize,
    /// See [`LayerWork::taps`].
    taps: usize,
}

fn describe(step: Step<'_>, x: &Tensor, out: &Tensor) -> Description {
    // A step with a number of operations for each output value.
    let each = |name: &str, kind, operations: f64| Description {
        name: name.to_owned(),
        kind,
        flops: operations * out.elem_count() as f64,
        weights: 0,
        taps: 1,
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
                let flops = x.elem_count() as f64;
                Description { flops, ..each("mean", LayerKind::Pooling, 0.0) }
            }
            Layer::Flatten => each("flatten", LayerKind::Other, 0.0),
            Layer::Gated(_) => each("gate", LayerKind::Other, 1.0),
            Layer::Custom(layer) => {
                let (name, kind, flops) = layer.describe(x);
                Description { flops, ..each(name, kind, 0.0) }
            }
            // The other variants consist of these, and are not steps themselves.
            _ => each("layers", LayerKind::Other, 0.0),
        },
    }
}

/// The activation as a suffix of a layer's name.
fn suffix(activation: Activation) -> String {
    match activation {
        Activation::None => String::new(),
        other => format!(" + {other:?}"),
    }
}

fn convolution(shape: &ConvShape, activation: Activation, out: &Tensor) -> Description {
    let ConvShape { input, output, kernel: [h, w], stride, groups, .. } = *shape;
    let window = h * w * input / groups;
    let mut name = format!("Conv2d {h}×{w} {input}→{output}");
    if stride > 1 {
        name += &format!(" /{stride}");
    }
    if groups > 1 {
        name += &format!(" in {groups} groups");
    }
    Description {
        name: name + &suffix(activation),
        kind: LayerKind::Convolution,
        flops: 2.0 * (window * out.elem_count()) as f64,
        weights: window * output + output,
        taps: if groups > 1 { 1 } else { h * w },
    }
}

fn linear(shape: &ConvShape, activation: Activation, out: &Tensor) -> Description {
    let ConvShape { input, output, .. } = *shape;
    Description {
        name: format!("Linear {input}→{output}{}", suffix(activation)),
        kind: LayerKind::Linear,
        flops: 2.0 * (input * out.elem_count()) as f64,
        weights: input * output + output,
        taps: 1,
    }
}
