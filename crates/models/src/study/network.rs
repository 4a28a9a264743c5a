//! SimpleCNN, DensePolyNN and DenseLinearNN.

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use record::{NetworkKind, StudyNetwork};

use super::initial::{Stream, bound};
use crate::kernels::{BatchNorm, ConvBlock, Dims, Linear, Product, to_blocks, to_rows};

/// Why a network cannot be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The images are halved to nothing.
    #[error(
        "images of side {side} are too small for {conv} convolution blocks, each of which halves them; use at most {most}"
    )]
    TooDeep {
        /// As given.
        side: usize,
        /// As given.
        conv: u32,
        /// The most that leave a pixel.
        most: u32,
    },
    /// No classifier.
    #[error("a network of 0 linear layers has no classifier; use at least 1")]
    NoClassifier,
    /// A dense network with convolutions.
    #[error("{network} has no convolution blocks, got {conv}; use 0")]
    NotConvolutional {
        /// Its name.
        network: &'static str,
        /// As given.
        conv: u32,
    },
    /// Something has no size.
    #[error("images of {channels}×{side}×{side} in {classes} classes: each must be at least 1")]
    Empty {
        /// As given.
        channels: usize,
        /// As given.
        side: usize,
        /// As given.
        classes: usize,
    },
    /// A tensor of a state dict is missing or has another shape.
    #[error("state dict: tensor `{name}` is {found}, expected shape {expected:?}")]
    State {
        /// Its name.
        name: String,
        /// As found.
        found: String,
        /// As needed.
        expected: Vec<usize>,
    },
    /// The tensor library failed.
    #[error("tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}

/// A convolution block: `Conv2d(3×3, padding 1)`, `BatchNorm2d`, ReLU if any, `MaxPool2d(2)`.
pub(super) struct Block {
    pub(super) operation: ConvBlock,
    pub(super) dims: Dims,
    /// `[co][ci][3][3]`.
    pub(super) weight: Vec<f32>,
    /// γ and β, `[2][co]`.
    pub(super) affine: Vec<f32>,
    /// `[co]`. Batch norm takes it off again, so it gets no gradient and keeps its value; it is here
    /// because it is one of the network's parameters.
    bias: Vec<f32>,
    /// Where its modules stand in the list of all modules.
    pub(super) module: usize,
}

pub(super) struct Dense {
    pub(super) operation: Linear,
    /// Outputs and inputs.
    pub(super) shape: [usize; 2],
    /// In the operation's panels.
    pub(super) weight: Vec<f32>,
    /// `[out]`.
    pub(super) bias: Vec<f32>,
    pub(super) module: usize,
}

/// One of the study's networks, on the CPU, with the buffers of its passes.
pub struct Network {
    pub(super) blocks: Vec<Block>,
    pub(super) dense: Vec<Dense>,
    /// The last block's output and its gradient as rows, `[n][features]` and blocked.
    pub(super) rows: Vec<f32>,
    pub(super) blocked_gradient: Vec<f32>,
    pub(super) product: Product,
    channels: usize,
    side: usize,
    classes: usize,
}

/// A tensor that training changes, its gradient of the last backward pass.
pub(super) type Trained<'a> = (&'a mut [f32], &'a [f32]);

impl Network {
    /// Builds a network for images `[channels][side][side]` with random weights.
    ///
    /// # Errors
    ///
    /// If the images are too small for the blocks, or there is no classifier.
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

    /// Trainable numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let blocks = self.blocks.iter();
        blocks
            .map(|it| it.weight.len() + it.affine.len() + it.bias.len())
            .chain(self.dense.iter().map(|it| it.shape[0] * it.shape[1] + it.bias.len()))
            .sum()
    }

    /// Numbers of an image.
    pub(super) fn features(&self) -> usize {
        self.channels * self.side * self.side
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// The tensors that training changes with their gradients, always in the same order.
    pub(super) fn trained(&mut self) -> Vec<Trained<'_>> {
        let blocks = self.blocks.iter_mut().flat_map(|it| {
            let ConvBlock { weight_gradient, affine_gradient, .. } = &it.operation;
            [(&mut it.weight[..], &weight_gradient[..]), (&mut it.affine, affine_gradient)]
        });
        let dense = self.dense.iter_mut().flat_map(|it| {
            let Linear { weight_gradient, bias_gradient, .. } = &it.operation;
            [(&mut it.weight[..], &weight_gradient[..]), (&mut it.bias, bias_gradient)]
        });
        blocks.chain(dense).collect()
    }

    /// A batch of images, `[n][c·h·w]` row by row, in the layout that this network reads.
    pub(super) fn batch(&self, rows: &[f32]) -> Vec<f32> {
        if self.blocks.is_empty() {
            return rows.to_vec();
        }
        let mut blocks = Vec::new();
        to_blocks(rows, self.features(), &mut blocks);
        blocks
    }

    /// Logits `[images][classes]` of a batch.
    pub(super) fn forward(&mut self, batch: &[f32], images: usize, training: bool) -> &[f32] {
        for depth in 0..self.blocks.len() {
            let (before, rest) = self.blocks.split_at_mut(depth);
            let x = before.last().map_or(batch, |it| &it.operation.out);
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
            let x = before.last().map_or(x, |it| &it.operation.out);
            let layer = &mut rest[0];
            layer.operation.forward(x, &layer.weight, &layer.bias, &mut self.product);
        }
        &self.dense[self.dense.len() - 1].operation.out
    }

    /// All gradients, given that of the logits of the last forward pass on that batch.
    pub(super) fn backward(&mut self, batch: &[f32], gradient: &[f32]) {
        let first = if self.blocks.is_empty() { batch } else { &self.rows };
        for depth in (0..self.dense.len()).rev() {
            let (before, rest) = self.dense.split_at_mut(depth);
            let [layer, after @ ..] = rest else { return };
            let gradient = after.first().map_or(gradient, |it| &it.operation.input_gradient);
            let x = before.last().map_or(first, |it| &it.operation.out);
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
            let gradient =
                after.first().map_or(&self.blocked_gradient[..], |it| &it.operation.input_gradient);
            let x = before.last().map_or(batch, |it| &it.operation.out);
            block.operation.backward(x, gradient, &block.weight);
        }
    }

    /// Takes weights from a state dict with PyTorch's names, `layers.N.weight` and so on.
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
            // PyTorch's mean is of values with the bias, ours without.
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

    /// The weights as a state dict with PyTorch's names.
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
    Ok(())
}

/// Widths of the linear layers but the last: halving for SimpleCNN and DensePolyNN, falling linearly
/// for DenseLinearNN, never under the number of channels.
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

    /// Counted by PyTorch from the study's code.
    #[test]
    fn parameters_are_the_studys() {
        let simple = Network::new(&spec(NetworkKind::SimpleCnn, 2, 3), 1, 28, 10, 0).unwrap();
        assert_eq!(simple.parameters(), 252_568);
        assert_eq!(widths(&spec(NetworkKind::DensePoly, 0, 3), 1, 28), [392, 196]);
        assert_eq!(widths(&spec(NetworkKind::DenseLinear, 0, 3), 1, 28), [522, 261]);
    }

    #[test]
    fn networks_that_cannot_be_are_errors() {
        let new = |spec: StudyNetwork, side| Network::new(&spec, 1, side, 10, 0).err().unwrap();
        let deep = new(spec(NetworkKind::SimpleCnn, 4, 3), 8);
        assert!(deep.to_string().contains("use at most 3"), "{deep}");
        assert!(matches!(
            new(spec(NetworkKind::DensePoly, 1, 3), 8),
            NetworkError::NotConvolutional { .. }
        ));
        assert!(matches!(new(spec(NetworkKind::SimpleCnn, 1, 0), 8), NetworkError::NoClassifier));
    }

    #[test]
    fn a_state_dict_goes_out_and_in_again() {
        let kind = spec(NetworkKind::SimpleCnn, 2, 3);
        let mut from = Network::new(&kind, 1, 12, 10, 1).unwrap();
        let mut to = Network::new(&kind, 1, 12, 10, 2).unwrap();
        to.load(&from.state().unwrap()).unwrap();
        let images: Vec<f32> = (0..3 * 144).map(|it| (it % 17) as f32 / 17.0).collect();
        let logits = |it: &mut Network| {
            let batch = it.batch(&images);
            it.forward(&batch, 3, false).to_vec()
        };
        assert_eq!(logits(&mut from), logits(&mut to));
        let mut state = from.state().unwrap();
        state.remove("layers.0.weight");
        assert!(matches!(to.load(&state), Err(NetworkError::State { .. })));
    }
}
