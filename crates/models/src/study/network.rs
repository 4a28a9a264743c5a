//! SimpleCNN, DensePolyNN and DenseLinearNN.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use record::{NetworkKind, StudyNetwork};
use units::limits;

use super::error::NetworkError;
use crate::{
    kernels::{BatchNorm, ConvBlock, Dims, Linear, Product, to_blocks, to_rows},
    random::{Stream, bound},
};

/// A convolution block: `Conv2d(3×3, padding 1)`, `BatchNorm2d`, optionally `ReLU`, `MaxPool2d(2)`.
pub(super) struct Block {
    pub(super) operation: ConvBlock,
    pub(super) dims: Dims,
    /// `[co][ci][3][3]`.
    pub(super) weight: Vec<f32>,
    /// γ and β, `[2][co]`.
    pub(super) affine: Vec<f32>,
    /// Bias of the convolution, `[co]`. Batch norm subtracts it again, so it gets no gradient and keeps
    /// its value; it is stored because it is one of the network's parameters.
    bias: Vec<f32>,
    /// Index of the block's first module in PyTorch's list of modules.
    pub(super) module: usize,
}

/// A linear layer.
pub(super) struct Dense {
    pub(super) operation: Linear,
    /// Number of outputs, number of inputs.
    pub(super) shape: [usize; 2],
    /// Weights in the panel layout of `operation`.
    pub(super) weight: Vec<f32>,
    /// `[out]`.
    pub(super) bias: Vec<f32>,
    /// Index in PyTorch's list of modules.
    pub(super) module: usize,
}

/// One of the study's networks (SimpleCNN, DensePolyNN or DenseLinearNN) on the CPU, with the buffers
/// of its forward and backward passes.
pub struct Network {
    pub(super) blocks: Vec<Block>,
    pub(super) dense: Vec<Dense>,
    /// Output of the last block as rows, `[n][features]`.
    pub(super) rows: Vec<f32>,
    /// Gradient of `rows`, in blocks of 16 images.
    pub(super) blocked_gradient: Vec<f32>,
    pub(super) product: Product,
    channels: usize,
    side: usize,
    classes: usize,
}

/// A trainable tensor and its gradient from the last backward pass.
pub(super) type Trained<'a> = (&'a mut [f32], &'a [f32]);

impl Network {
    /// Builds a network for images `[channels][side][side]`, with weights drawn from `seed` as PyTorch
    /// initializes them by default.
    ///
    /// # Errors
    ///
    /// If a size is 0, the images are too small for the blocks, or there is no classifier.
    pub fn new(
        spec: &StudyNetwork,
        channels: usize,
        side: usize,
        classes: usize,
        seed: u64,
    ) -> Result<Self, NetworkError> {
        check(spec, channels, side, classes)?;
        let mut module = 0;
        let mut blocks = Vec::new();
        let (mut width, mut pixels) = (channels, side);
        for depth in 0..spec.conv {
            let out = channels * 3_usize.pow(depth + 1);
            let draw = |part: &str, count| {
                Stream::new(seed, &format!("layers.{module}.{part}"))
                    .uniform(count, bound(width * 9))
            };
            let dims = Dims { cin: width, cout: out, h: pixels, w: pixels };
            blocks.push(Block {
                operation: ConvBlock::new(dims, spec.relu, depth > 0),
                dims,
                weight: draw("weight", out * width * 9),
                affine: [vec![1.0; out], vec![0.0; out]].concat(),
                bias: draw("bias", out),
                module,
            });
            module += if spec.relu { 4 } else { 3 };
            (width, pixels) = (out, pixels / 2);
        }
        // Flatten.
        module += 1;
        let mut features = width * pixels * pixels;
        let mut dense = Vec::new();
        for out in widths(spec, channels, side).into_iter().chain([classes]) {
            let draw = |part: &str, count| {
                Stream::new(seed, &format!("layers.{module}.{part}"))
                    .uniform(count, bound(features))
            };
            let operation = Linear::new(features, out);
            dense.push(Dense {
                shape: [out, features],
                weight: operation.pack(&draw("weight", out * features)),
                operation,
                bias: draw("bias", out),
                module,
            });
            module += 1;
            features = out;
        }
        Ok(Self {
            blocks,
            dense,
            rows: Vec::new(),
            blocked_gradient: Vec::new(),
            product: Product::default(),
            channels,
            side,
            classes,
        })
    }

    /// Number of trainable parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let blocks = self.blocks.iter();
        blocks
            .map(|block| block.weight.len() + block.affine.len() + block.bias.len())
            .chain(
                self.dense.iter().map(|layer| layer.shape[0] * layer.shape[1] + layer.bias.len()),
            )
            .sum()
    }

    /// Values of one image.
    pub(super) fn features(&self) -> usize {
        self.channels * self.side * self.side
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// The trainable tensors with their gradients, always in the same order.
    pub(super) fn trained(&mut self) -> Vec<Trained<'_>> {
        let blocks = self.blocks.iter_mut().flat_map(|block| {
            let ConvBlock { weight_gradient, affine_gradient, .. } = &block.operation;
            [(&mut block.weight[..], &weight_gradient[..]), (&mut block.affine, affine_gradient)]
        });
        let dense = self.dense.iter_mut().flat_map(|layer| {
            let Linear { weight_gradient, bias_gradient, .. } = &layer.operation;
            [(&mut layer.weight[..], &weight_gradient[..]), (&mut layer.bias, bias_gradient)]
        });
        blocks.chain(dense).collect()
    }

    /// A batch of images `[n][c·h·w]`, converted to the layout that this network's first layer reads.
    pub(super) fn batch(&self, rows: &[f32]) -> Vec<f32> {
        if self.blocks.is_empty() {
            return rows.to_vec();
        }
        let mut blocks = Vec::new();
        to_blocks(rows, self.features(), &mut blocks);
        blocks
    }

    /// Logits `[images][classes]` of a batch from [`Network::batch`].
    pub(super) fn forward(&mut self, batch: &[f32], images: usize, training: bool) -> &[f32] {
        for depth in 0..self.blocks.len() {
            let (before, rest) = self.blocks.split_at_mut(depth);
            let x = before.last().map_or(batch, |block| &block.operation.out);
            let block = &mut rest[0];
            block.operation.forward(x, images, &block.weight, &block.affine, training);
        }
        let mut x = batch;
        if let Some(last) = self.blocks.last() {
            to_rows(&last.operation.out, images, self.dense[0].shape[1], &mut self.rows);
            x = &self.rows;
        }
        for depth in 0..self.dense.len() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let x = before.last().map_or(x, |layer| &layer.operation.out);
            let layer = &mut rest[0];
            layer.operation.forward(x, &layer.weight, &layer.bias, &mut self.product);
        }
        &self.dense[self.dense.len() - 1].operation.out
    }

    /// Computes all gradients from that of the logits, after a forward pass on the same batch.
    pub(super) fn backward(&mut self, batch: &[f32], gradient: &[f32]) {
        let first = if self.blocks.is_empty() { batch } else { &self.rows };
        for depth in (0..self.dense.len()).rev() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let [layer, after @ ..] = rest else { return };
            let gradient = after.first().map_or(gradient, |layer| &layer.operation.input_gradient);
            let x = before.last().map_or(first, |layer| &layer.operation.out);
            let needed = depth > 0 || !self.blocks.is_empty();
            layer.operation.backward(x, gradient, &layer.weight, needed, &mut self.product);
        }
        if self.blocks.is_empty() {
            return;
        }
        let [_, features] = self.dense[0].shape;
        to_blocks(&self.dense[0].operation.input_gradient, features, &mut self.blocked_gradient);
        for depth in (0..self.blocks.len()).rev() {
            let (before, rest) = self.blocks.split_at_mut(depth);
            let [block, after @ ..] = rest else { return };
            let gradient = after
                .first()
                .map_or(&self.blocked_gradient[..], |block| &block.operation.input_gradient);
            let x = before.last().map_or(batch, |block| &block.operation.out);
            block.operation.backward(x, gradient, &block.weight);
        }
    }

    /// Loads the weights from a state dict with PyTorch's names: `layers.N.weight`, `layers.N.bias`,
    /// `layers.N.running_mean`, `layers.N.running_var`.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or has another shape.
    pub fn load(&mut self, state: &HashMap<String, Tensor>) -> Result<(), NetworkError> {
        for block in &mut self.blocks {
            let Dims { cin, cout, .. } = block.dims;
            let of = |module: usize, part: &str, shape: &[usize]| {
                find(state, &format!("layers.{module}.{part}"), shape)
            };
            let (conv, norm) = (block.module, block.module + 1);
            block.weight = of(conv, "weight", &[cout, cin, 3, 3])?;
            block.bias = of(conv, "bias", &[cout])?;
            let (gamma, beta) = (of(norm, "weight", &[cout])?, of(norm, "bias", &[cout])?);
            block.affine = [gamma, beta].concat();
            // PyTorch's running mean includes the bias of the convolution, ours does not.
            let mean = of(norm, "running_mean", &[cout])?.into_iter().zip(&block.bias);
            let mean = mean.map(|(mean, bias)| mean - bias).collect();
            let variance = of(norm, "running_var", &[cout])?;
            block.operation.norm = BatchNorm { mean, variance };
        }
        for layer in &mut self.dense {
            let name = format!("layers.{}", layer.module);
            let weight = find(state, &format!("{name}.weight"), &layer.shape)?;
            layer.weight = layer.operation.pack(&weight);
            layer.bias = find(state, &format!("{name}.bias"), &layer.shape[..1])?;
        }
        Ok(())
    }

    /// The weights as a state dict with PyTorch's names, see [`Network::load`].
    ///
    /// # Errors
    ///
    /// If the tensor library fails.
    pub fn state(&self) -> Result<HashMap<String, Tensor>, NetworkError> {
        let mut state = HashMap::new();
        let mut keep = |module: usize, part: &str, values: &[f32], shape: &[usize]| {
            let tensor = Tensor::from_slice(values, shape, &Device::Cpu)?;
            state.insert(format!("layers.{module}.{part}"), tensor);
            Ok::<(), NetworkError>(())
        };
        for block in &self.blocks {
            let Dims { cin, cout, .. } = block.dims;
            let (conv, norm) = (block.module, block.module + 1);
            let BatchNorm { mean, variance } = &block.operation.norm;
            let mean: Vec<f32> = mean.iter().zip(&block.bias).map(|(a, b)| a + b).collect();
            keep(conv, "weight", &block.weight, &[cout, cin, 3, 3])?;
            keep(conv, "bias", &block.bias, &[cout])?;
            keep(norm, "weight", &block.affine[..cout], &[cout])?;
            keep(norm, "bias", &block.affine[cout..], &[cout])?;
            keep(norm, "running_mean", &mean, &[cout])?;
            keep(norm, "running_var", variance, &[cout])?;
        }
        for layer in &self.dense {
            let weight = layer.operation.unpack(&layer.weight);
            keep(layer.module, "weight", &weight, &layer.shape)?;
            keep(layer.module, "bias", &layer.bias, &layer.shape[..1])?;
        }
        Ok(state)
    }
}

fn find(
    state: &HashMap<String, Tensor>,
    name: &str,
    expected: &[usize],
) -> Result<Vec<f32>, NetworkError> {
    let fail = |found: String| NetworkError::State {
        name: name.to_owned(),
        found,
        expected: expected.to_vec(),
    };
    let tensor = state.get(name).ok_or_else(|| fail("missing".to_owned()))?;
    if tensor.dims() != expected {
        return Err(fail(format!("of shape {:?}", tensor.dims())));
    }
    Ok(tensor.to_dtype(candle_core::DType::F32)?.flatten_all()?.to_vec1()?)
}

fn check(
    spec: &StudyNetwork,
    channels: usize,
    side: usize,
    classes: usize,
) -> Result<(), NetworkError> {
    if channels == 0 || side == 0 || classes == 0 {
        return Err(NetworkError::Empty { channels, side, classes });
    }
    limits::CHANNELS.check(channels)?;
    limits::IMAGE_SIDE.check(side)?;
    limits::CLASSES.check(classes)?;
    limits::LAYERS.check(spec.linear)?;
    if spec.linear == 0 {
        return Err(NetworkError::NoClassifier);
    }
    if spec.kind != NetworkKind::SimpleCnn && spec.conv > 0 {
        return Err(NetworkError::NotConvolutional {
            network: spec.kind.paper_name(),
            conv: spec.conv,
        });
    }
    let most = side.ilog2();
    if spec.conv > most {
        return Err(NetworkError::TooDeep { side, conv: spec.conv, most });
    }
    // The largest tensor is at most the last convolution's weight or the first linear layer's.
    let width = |depth: u32| 3_u64.saturating_pow(depth).saturating_mul(channels as u64);
    if spec.conv > 0 {
        limits::VALUES_IN_MEMORY.product(&[width(spec.conv), width(spec.conv - 1), 9])?;
    }
    let pixels = (side as u64 >> spec.conv).pow(2);
    let image = (channels * side * side) as u64;
    limits::VALUES_IN_MEMORY.product(&[width(spec.conv), pixels, image.max(classes as u64)])?;
    Ok(())
}

/// Widths of the linear layers except the last. SimpleCNN and DensePolyNN halve the width from layer to
/// layer, DenseLinearNN decreases it linearly. No width is below the number of channels.
fn widths(spec: &StudyNetwork, channels: usize, side: usize) -> Vec<usize> {
    let size = channels * side * side;
    let linear = spec.linear as usize;
    (1..linear)
        .map(|depth| match spec.kind {
            NetworkKind::SimpleCnn | NetworkKind::DensePoly => {
                size.checked_shr(depth as u32).unwrap_or(0)
            }
            // ⌊size − depth · size / linear⌋
            NetworkKind::DenseLinear => (size * (linear - depth)) / linear,
        })
        .map(|width| width.max(channels))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: NetworkKind, conv: u32, linear: u32) -> StudyNetwork {
        StudyNetwork { kind, conv, linear, relu: true }
    }

    /// The expected numbers were counted by PyTorch on the study's own code.
    #[test]
    fn networks_have_as_many_parameters_as_in_the_study() {
        let simple = Network::new(&spec(NetworkKind::SimpleCnn, 2, 3), 1, 28, 10, 0).unwrap();
        assert_eq!(simple.parameters(), 252_568);
        assert_eq!(widths(&spec(NetworkKind::DensePoly, 0, 3), 1, 28), [392, 196]);
        assert_eq!(widths(&spec(NetworkKind::DenseLinear, 0, 3), 1, 28), [522, 261]);
    }

    #[test]
    fn impossible_networks_are_refused() {
        let new = |spec: StudyNetwork, side| Network::new(&spec, 1, side, 10, 0).err().unwrap();
        let deep = new(spec(NetworkKind::SimpleCnn, 4, 3), 8);
        assert!(deep.to_string().contains("use at most 3"), "{deep}");
        assert!(matches!(
            new(spec(NetworkKind::DensePoly, 1, 3), 8),
            NetworkError::NotConvolutional { .. }
        ));
        assert!(matches!(new(spec(NetworkKind::SimpleCnn, 1, 0), 8), NetworkError::NoClassifier));
        for side in [16_384, usize::MAX] {
            let huge = new(spec(NetworkKind::SimpleCnn, 0, 3), side);
            assert!(matches!(huge, NetworkError::Size(_)), "{huge}");
        }
        let wide = Network::new(&spec(NetworkKind::SimpleCnn, 9, 1), 1_000, 512, 10, 0);
        assert!(matches!(wide.err().unwrap(), NetworkError::Size(_)));
    }

    #[test]
    fn a_saved_state_dict_loads_again() {
        let kind = spec(NetworkKind::SimpleCnn, 2, 3);
        let mut from = Network::new(&kind, 1, 12, 10, 1).unwrap();
        let mut to = Network::new(&kind, 1, 12, 10, 2).unwrap();
        to.load(&from.state().unwrap()).unwrap();
        let images: Vec<f32> = (0..3 * 144).map(|i| (i % 17) as f32 / 17.0).collect();
        let logits = |network: &mut Network| {
            let batch = network.batch(&images);
            network.forward(&batch, 3, false).to_vec()
        };
        assert_eq!(logits(&mut from), logits(&mut to));
        let mut state = from.state().unwrap();
        state.remove("layers.0.weight");
        assert!(matches!(to.load(&state), Err(NetworkError::State { .. })));
    }
}
