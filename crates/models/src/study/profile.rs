//! What each layer of a study's network does in a training step.

use super::{
    network::{Block, Dense, Network},
    training::{TrainError, Training},
};
use crate::{
    Control,
    kernels::{Dims, Passes, cross_entropy, to_blocks, to_rows},
    profile::{LayerKind, Observer, Pass, Variant, Work},
};

/// Bytes of a float.
const FLOAT: f64 = 4.0;
/// Multiply-adds of a 3×3 window, in operations.
const WINDOW: f64 = 2.0 * 9.0;

const CONVOLUTION: Passes = Passes { convolution: true, sums: false, pool: false };
const SUMS: Passes = Passes { convolution: false, sums: true, pool: false };
const POOL: Passes = Passes { convolution: false, sums: false, pool: true };

impl Training {
    /// Tells of each pass of each layer over the first batch; weights and running statistics stay as
    /// they are.
    ///
    /// Batch norm's scale, ReLU and max-pool are one pass over memory: the pooling's rows have what
    /// that pass takes without the ReLU, the ReLU's rows the difference.
    ///
    /// # Errors
    ///
    /// If the observer asks for an end.
    pub fn profile(&mut self, observe: &mut Observer<'_>) -> Result<(), TrainError> {
        rayon::scope(|_| self.profile_here(observe))
    }

    fn profile_here(&mut self, observe: &mut Observer<'_>) -> Result<(), TrainError> {
        let (network, images, labels, gradient) = self.parts();
        let kept: Vec<_> = network.blocks.iter().map(|it| it.operation.norm.clone()).collect();
        // Every buffer is filled as a step leaves it.
        let classes = network.classes();
        let logits = network.forward(images, labels.len(), true);
        cross_entropy(logits, classes, labels, gradient);
        network.backward(images, gradient);
        let done = network.profile(images, labels.len(), gradient, observe);
        for (block, norm) in network.blocks.iter_mut().zip(kept) {
            block.operation.norm = norm;
        }
        done
    }
}

fn told(control: Control) -> Result<(), TrainError> {
    match control {
        Control::Continue => Ok(()),
        Control::Stop => Err(TrainError::Stopped),
    }
}

impl Network {
    fn profile(
        &mut self,
        batch: &[f32],
        images: usize,
        gradient: &[f32],
        observe: &mut Observer<'_>,
    ) -> Result<(), TrainError> {
        let n = images as f64;
        for depth in 0..self.blocks.len() {
            let (before, rest) = self.blocks.split_at_mut(depth);
            let x = before.last().map_or(batch, |it| &it.operation.out);
            block_forward(&mut rest[0], x, n, observe)?;
        }
        let features = self.dense[0].shape[1];
        let module = self.dense[0].module - 1;
        let flatten = |pass| flatten(module, features, n, pass);
        let mut first = batch;
        if let Some(last) = self.blocks.last() {
            let (out, rows) = (&last.operation.out, &mut self.rows);
            told(observe(&flatten(Pass::Forward), &mut |_| to_rows(out, images, features, rows)))?;
            first = &self.rows;
        }
        for depth in 0..self.dense.len() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let x = before.last().map_or(first, |it| &it.operation.out);
            let work = linear(&rest[0], n, Pass::Forward, true);
            let (Dense { operation, weight, bias, .. }, product) =
                (&mut rest[0], &mut self.product);
            told(observe(&work, &mut |_| operation.forward(x, weight, bias, product)))?;
        }
        for depth in (0..self.dense.len()).rev() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let [layer, after @ ..] = rest else { break };
            let g = after.first().map_or(gradient, |it| &it.operation.input_gradient);
            let x = before.last().map_or(first, |it| &it.operation.out);
            let needed = depth > 0 || !self.blocks.is_empty();
            let work = linear(layer, n, Pass::Backward, needed);
            let (Dense { operation, weight, .. }, product) = (layer, &mut self.product);
            told(observe(&work, &mut |_| operation.backward(x, g, weight, needed, product)))?;
        }
        if !self.blocks.is_empty() {
            let work = flatten(Pass::Backward);
            let (rows, to) = (&self.dense[0].operation.input_gradient, &mut self.blocked_gradient);
            told(observe(&work, &mut |_| to_blocks(rows, features, to)))?;
        }
        for depth in (0..self.blocks.len()).rev() {
            let (before, rest) = self.blocks.split_at_mut(depth);
            let [block, after @ ..] = rest else { break };
            let g =
                after.first().map_or(&self.blocked_gradient[..], |it| &it.operation.input_gradient);
            let x = before.last().map_or(batch, |it| &it.operation.out);
            block_backward(block, x, g, n, depth > 0, observe)?;
        }
        Ok(())
    }
}

/// Floats of a batch before, between and behind the parts of a block.
struct Floats {
    x: f64,
    raw: f64,
    pooled: f64,
    weights: f64,
}

impl Floats {
    fn of(Dims { cin, cout, h, w }: Dims, n: f64) -> Self {
        Self {
            x: n * (cin * h * w) as f64,
            raw: n * (cout * h * w) as f64,
            pooled: n * (cout * (h / 2) * (w / 2)) as f64,
            weights: (9 * cin * cout) as f64,
        }
    }
}

/// A block's four modules, as PyTorch names them.
fn names(block: &Block) -> [String; 4] {
    let (module, Dims { cin, cout, h, w }) = (block.module, block.operation.dims());
    let pool = module + if block.operation.relu() { 3 } else { 2 };
    [
        format!("layers.{module} Conv2d 3×3 {cin}→{cout}, {h}×{w}"),
        format!("layers.{} BatchNorm2d {cout}", module + 1),
        format!("layers.{} ReLU", module + 2),
        format!("layers.{pool} MaxPool2d 2×2 with the norm's scale"),
    ]
}

fn work(pass: Pass, layer: String, kind: LayerKind, flops: f64, floats: f64) -> Work {
    Work { layer, kind, pass, flops, bytes: FLOAT * floats, by_difference: false }
}

fn block_forward(
    block: &mut Block,
    x: &[f32],
    n: f64,
    observe: &mut Observer<'_>,
) -> Result<(), TrainError> {
    const PASS: Pass = Pass::Forward;
    let [conv, norm, relu, pool] = names(block);
    let Block { operation, weight, .. } = block;
    let Floats { x: inputs, raw, pooled, weights } = Floats::of(operation.dims(), n);
    let channels = operation.dims().cin as f64;
    let work = |layer, kind, flops, floats| work(PASS, layer, kind, flops, floats);
    let it = work(conv, LayerKind::Convolution, WINDOW * channels * raw, inputs + raw + weights);
    told(observe(&it, &mut |_| operation.convolve(x, weight, CONVOLUTION)))?;
    // A sum and a sum of squares.
    let it = work(norm, LayerKind::Norm, 3.0 * raw, raw);
    told(observe(&it, &mut |_| operation.convolve(x, weight, SUMS)))?;
    let has_relu = operation.relu();
    if has_relu {
        let it = Work { by_difference: true, ..work(relu, LayerKind::Activation, pooled, 0.0) };
        let measured = observe(&it, &mut |variant| {
            operation.set_relu(variant == Variant::Whole);
            operation.pool();
        });
        operation.set_relu(true);
        told(measured)?;
    }
    // Three comparisons, a scale and a shift for each output.
    let it = work(pool, LayerKind::Pooling, 5.0 * pooled, raw + 2.0 * pooled);
    operation.set_relu(false);
    let measured = observe(&it, &mut |_| operation.pool());
    operation.set_relu(has_relu);
    // The outputs as the layers behind expect them.
    operation.pool();
    told(measured)
}

fn block_backward(
    block: &mut Block,
    x: &[f32],
    g: &[f32],
    n: f64,
    needs_input_gradient: bool,
    observe: &mut Observer<'_>,
) -> Result<(), TrainError> {
    const PASS: Pass = Pass::Backward;
    let [conv, norm, relu, pool] = names(block);
    let Block { operation, weight, .. } = block;
    let Floats { x: inputs, raw, pooled, weights } = Floats::of(operation.dims(), n);
    let channels = operation.dims().cin as f64;
    let work = |layer, kind, flops, floats| work(PASS, layer, kind, flops, floats);
    // The value before batch norm is scaled and shifted again, to know what passed the ReLU.
    let it = work(norm, LayerKind::Norm, 5.0 * pooled, 2.0 * pooled);
    told(observe(&it, &mut |_| operation.backward_sums(g)))?;
    let has_relu = operation.relu();
    if has_relu {
        let it = Work { by_difference: true, ..work(relu, LayerKind::Activation, pooled, 0.0) };
        let measured = observe(&it, &mut |variant| {
            operation.set_relu(variant == Variant::Whole);
            operation.backward_passes(x, g, weight, POOL);
        });
        operation.set_relu(true);
        told(measured)?;
    }
    // A comparison, a scale, a shift and an addition for each value.
    let it = work(pool, LayerKind::Pooling, 4.0 * raw, 2.0 * raw + 2.0 * pooled);
    operation.set_relu(false);
    let measured = observe(&it, &mut |_| operation.backward_passes(x, g, weight, POOL));
    operation.set_relu(has_relu);
    operation.backward_passes(x, g, weight, POOL);
    told(measured)?;
    let products = if needs_input_gradient { 2.0 } else { 1.0 };
    let floats = products * (raw + inputs + weights);
    let flops = products * WINDOW * channels * raw;
    let it = work(conv, LayerKind::Convolution, flops, floats);
    told(observe(&it, &mut |_| operation.backward_passes(x, g, weight, CONVOLUTION)))
}

fn linear(layer: &Dense, n: f64, pass: Pass, needs_input_gradient: bool) -> Work {
    let [out, features] = layer.shape;
    let (weights, values) = ((out * features) as f64, n * (out + features) as f64);
    let products = match pass {
        Pass::Backward if needs_input_gradient => 2.0,
        _ => 1.0,
    };
    let layer = format!("layers.{} Linear {features}→{out}", layer.module);
    let (flops, floats) = (products * 2.0 * n * weights, products * (weights + values));
    work(pass, layer, LayerKind::Linear, flops, floats)
}

fn flatten(module: usize, features: usize, n: f64, pass: Pass) -> Work {
    let layer = format!("layers.{module} Flatten, out of blocks of images");
    work(pass, layer, LayerKind::Other, 0.0, 2.0 * n * features as f64)
}
