//! The layers of a study's network in a training step, one by one.

use super::{
    error::TrainError,
    events::continued,
    network::{Block, Dense, Network},
    training::Training,
};
use crate::{
    kernels::{Dims, Passes, cross_entropy, to_blocks, to_rows},
    profile::{LayerKind, LayerWork, Observer, Pass, Variant},
};

/// Bytes of a float.
const FLOAT: f64 = 4.0;
/// Floating-point operations of the multiply-adds under a 3×3 kernel.
const KERNEL_FLOPS: f64 = 2.0 * 9.0;

const CONVOLUTION: Passes = Passes { convolution: true, sums: false, pool: false };
const SUMS: Passes = Passes { convolution: false, sums: true, pool: false };
const POOL: Passes = Passes { convolution: false, sums: false, pool: true };

impl Training {
    /// Calls `observe` for each pass of each layer on the first batch. Weights and running statistics
    /// do not change.
    ///
    /// Batch norm's scale, ReLU and max-pool are one pass over memory. The work of the pooling layer is
    /// that pass without the ReLU; the work of the ReLU is the difference.
    ///
    /// # Errors
    ///
    /// [`TrainError::Stopped`] if `observe` stopped it.
    pub fn profile(&mut self, observe: &mut Observer<'_>) -> Result<(), TrainError> {
        rayon::scope(|_| self.profile_in_pool(observe))
    }

    fn profile_in_pool(&mut self, observe: &mut Observer<'_>) -> Result<(), TrainError> {
        let (network, images, labels, gradient) = self.parts();
        let norms: Vec<_> =
            network.blocks.iter().map(|block| block.operation.norm.clone()).collect();
        // Fill every buffer as a training step would.
        let classes = network.classes();
        let logits = network.forward(images, labels.len(), true);
        cross_entropy(logits, classes, labels, gradient);
        network.backward(images, gradient);
        let profiled = network.profile(images, labels.len(), gradient, observe);
        for (block, norm) in network.blocks.iter_mut().zip(norms) {
            block.operation.norm = norm;
        }
        profiled
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
            let x = before.last().map_or(batch, |block| &block.operation.out);
            block_forward(&mut rest[0], x, n, observe)?;
        }
        let features = self.dense[0].shape[1];
        let module = self.dense[0].module - 1;
        let flatten = |pass| flatten(module, features, n, pass);
        let mut first = batch;
        if let Some(last) = self.blocks.last() {
            let (out, rows) = (&last.operation.out, &mut self.rows);
            continued(observe(&flatten(Pass::Forward), &mut |_| {
                to_rows(out, images, features, rows)
            }))?;
            first = &self.rows;
        }
        for depth in 0..self.dense.len() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let x = before.last().map_or(first, |layer| &layer.operation.out);
            let work = linear(&rest[0], n, Pass::Forward, true);
            let (Dense { operation, weight, bias, .. }, product) =
                (&mut rest[0], &mut self.product);
            continued(observe(&work, &mut |_| operation.forward(x, weight, bias, product)))?;
        }
        for depth in (0..self.dense.len()).rev() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let [layer, after @ ..] = rest else { break };
            let g = after.first().map_or(gradient, |layer| &layer.operation.input_gradient);
            let x = before.last().map_or(first, |layer| &layer.operation.out);
            let needed = depth > 0 || !self.blocks.is_empty();
            let work = linear(layer, n, Pass::Backward, needed);
            let (Dense { operation, weight, .. }, product) = (layer, &mut self.product);
            continued(observe(&work, &mut |_| operation.backward(x, g, weight, needed, product)))?;
        }
        if !self.blocks.is_empty() {
            let work = flatten(Pass::Backward);
            let (rows, to) = (&self.dense[0].operation.input_gradient, &mut self.blocked_gradient);
            continued(observe(&work, &mut |_| to_blocks(rows, features, to)))?;
        }
        for depth in (0..self.blocks.len()).rev() {
            let (before, rest) = self.blocks.split_at_mut(depth);
            let [block, after @ ..] = rest else { break };
            let g = after
                .first()
                .map_or(&self.blocked_gradient[..], |block| &block.operation.input_gradient);
            let x = before.last().map_or(batch, |block| &block.operation.out);
            block_backward(block, x, g, n, depth > 0, observe)?;
        }
        Ok(())
    }
}

/// Numbers of floats that a block reads and writes for a batch.
struct Floats {
    /// Its input.
    x: f64,
    /// Output of the convolution.
    raw: f64,
    /// Output of the pooling.
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

/// Names of a block's four modules: PyTorch's module number and type, and the sizes.
fn names(block: &Block) -> [String; 4] {
    let (module, Dims { cin, cout, h, w }) = (block.module, block.operation.dims());
    let pool = module + if block.operation.relu() { 3 } else { 2 };
    [
        format!("layers.{module} Conv2d 3×3 {cin}→{cout}, {h}×{w}"),
        format!("layers.{} BatchNorm2d {cout}", module + 1),
        format!("layers.{} ReLU", module + 2),
        format!("layers.{pool} MaxPool2d 2×2 with batch norm's scale"),
    ]
}

fn work(pass: Pass, layer: String, kind: LayerKind, flops: f64, floats: f64) -> LayerWork {
    // The study's convolutions are all of 3×3.
    let taps = if kind == LayerKind::Convolution { 9 } else { 1 };
    LayerWork { layer, kind, pass, flops, bytes: FLOAT * floats, taps, by_difference: false }
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
    let layer_work =
        work(conv, LayerKind::Convolution, KERNEL_FLOPS * channels * raw, inputs + raw + weights);
    continued(observe(&layer_work, &mut |_| operation.convolve(x, weight, CONVOLUTION)))?;
    // The sum and the sum of squares.
    let layer_work = work(norm, LayerKind::Norm, 3.0 * raw, raw);
    continued(observe(&layer_work, &mut |_| operation.convolve(x, weight, SUMS)))?;
    let has_relu = operation.relu();
    if has_relu {
        let layer_work =
            LayerWork { by_difference: true, ..work(relu, LayerKind::Activation, pooled, 0.0) };
        let measured = observe(&layer_work, &mut |variant| {
            operation.set_relu(variant == Variant::Whole);
            operation.pool();
        });
        operation.set_relu(true);
        continued(measured)?;
    }
    // Three comparisons, a scale and a shift for each output.
    let layer_work = work(pool, LayerKind::Pooling, 5.0 * pooled, raw + 2.0 * pooled);
    operation.set_relu(false);
    let measured = observe(&layer_work, &mut |_| operation.pool());
    operation.set_relu(has_relu);
    // Leave the outputs as the following layers expect them.
    operation.pool();
    continued(measured)
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
    // The value before batch norm is scaled and shifted again to find out what passed the ReLU.
    let layer_work = work(norm, LayerKind::Norm, 5.0 * pooled, 2.0 * pooled);
    continued(observe(&layer_work, &mut |_| operation.backward_sums(g)))?;
    let has_relu = operation.relu();
    if has_relu {
        let layer_work =
            LayerWork { by_difference: true, ..work(relu, LayerKind::Activation, pooled, 0.0) };
        let measured = observe(&layer_work, &mut |variant| {
            operation.set_relu(variant == Variant::Whole);
            operation.backward_passes(x, g, weight, POOL);
        });
        operation.set_relu(true);
        continued(measured)?;
    }
    // A comparison, a scale, a shift and an addition for each value.
    let layer_work = work(pool, LayerKind::Pooling, 4.0 * raw, 2.0 * raw + 2.0 * pooled);
    operation.set_relu(false);
    let measured = observe(&layer_work, &mut |_| operation.backward_passes(x, g, weight, POOL));
    operation.set_relu(has_relu);
    operation.backward_passes(x, g, weight, POOL);
    continued(measured)?;
    let products = if needs_input_gradient { 2.0 } else { 1.0 };
    let floats = products * (raw + inputs + weights);
    let flops = products * KERNEL_FLOPS * channels * raw;
    let layer_work = work(conv, LayerKind::Convolution, flops, floats);
    continued(observe(&layer_work, &mut |_| operation.backward_passes(x, g, weight, CONVOLUTION)))
}

fn linear(layer: &Dense, n: f64, pass: Pass, needs_input_gradient: bool) -> LayerWork {
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

fn flatten(module: usize, features: usize, n: f64, pass: Pass) -> LayerWork {
    let layer = format!("layers.{module} Flatten, from blocks of 16 images");
    work(pass, layer, LayerKind::Other, 0.0, 2.0 * n * features as f64)
}
