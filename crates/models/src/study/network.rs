//! SimpleCNN, DensePolyNN and DenseLinearNN.

use std::collections::HashMap;

use candle_core::{Device, Tensor, Var};
use record::{NetworkKind, StudyNetwork};

use super::initial::{Stream, bound};
use crate::kernels::{BatchNorm, Blocked, ConvBlock, LANES, Linear, to_blocks};

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
struct Block {
    operation: ConvBlock,
    /// `[co][ci][3][3]`.
    weight: Var,
    /// γ and β, `[2][co]`.
    affine: Var,
    /// `[co]`. Batch norm takes it off again, so it gets no gradient and keeps its value; it is here
    /// because it is one of the network's parameters.
    bias: Tensor,
    /// Where its modules stand in the list of all modules.
    module: usize,
}

struct Dense {
    /// `[out][in]`.
    weight: Var,
    /// `[out]`.
    bias: Var,
    module: usize,
}

/// One of the study's networks, on the CPU.
pub struct Network {
    blocks: Vec<Block>,
    dense: Vec<Dense>,
    channels: usize,
    side: usize,
    classes: usize,
}

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
        let device = &Device::Cpu;
        let mut module = 0;
        let mut blocks = Vec::new();
        let (mut width, mut pixels) = (channels, side);
        for depth in 0..spec.conv {
            let out = channels * 3_usize.pow(depth + 1);
            let draw = |part: &str, count| {
                Stream::new(seed, &format!("layers.{module}.{part}"))
                    .uniform(count, bound(width * 9))
            };
            let weight =
                Tensor::from_vec(draw("weight", out * width * 9), (out, width, 3, 3), device)?;
            let bias = Tensor::from_vec(draw("bias", out), out, device)?;
            let affine =
                Tensor::from_vec([vec![1.0_f32; out], vec![0.0; out]].concat(), (2, out), device)?;
            blocks.push(Block {
                operation: ConvBlock::new(out, spec.relu, depth > 0),
                weight: Var::from_tensor(&weight)?,
                affine: Var::from_tensor(&affine)?,
                bias,
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
            let weight = Tensor::from_vec(draw("weight", out * features), (out, features), device)?;
            let bias = Tensor::from_vec(draw("bias", out), out, device)?;
            dense.push(Dense {
                weight: Var::from_tensor(&weight)?,
                bias: Var::from_tensor(&bias)?,
                module,
            });
            module += 1;
            features = out;
        }
        Ok(Self { blocks, dense, channels, side, classes })
    }

    /// Trainable numbers.
    #[must_use]
    pub fn parameters(&self) -> usize {
        let blocks = self.blocks.iter();
        blocks
            .map(|it| it.weight.elem_count() + it.affine.elem_count() + it.bias.elem_count())
            .chain(self.dense.iter().map(|it| it.weight.elem_count() + it.bias.elem_count()))
            .sum()
    }

    /// Numbers of an image.
    pub(super) fn features(&self) -> usize {
        self.channels * self.side * self.side
    }

    pub(super) fn classes(&self) -> usize {
        self.classes
    }

    /// The tensors that training changes.
    pub(super) fn variables(&self) -> Vec<&Var> {
        let blocks = self.blocks.iter().flat_map(|it| [&it.weight, &it.affine]);
        blocks.chain(self.dense.iter().flat_map(|it| [&it.weight, &it.bias])).collect()
    }

    /// A batch of images, `[n][c·h·w]` row by row, in the layout that this network reads.
    pub(super) fn batch(&self, rows: &[f32]) -> candle_core::Result<Tensor> {
        let images = rows.len() / self.features();
        if self.blocks.is_empty() {
            return Tensor::from_slice(rows, (images, self.features()), &Device::Cpu);
        }
        let blocks = images.div_ceil(LANES);
        let shape = (blocks, self.channels, self.side, self.side, LANES);
        Tensor::from_vec(to_blocks(rows, self.features()), shape, &Device::Cpu)
    }

    /// Logits `[images][classes]` of a batch.
    pub(super) fn forward(
        &self,
        batch: &Tensor,
        images: usize,
        training: bool,
    ) -> candle_core::Result<Tensor> {
        let mut x = batch.clone();
        for block in &self.blocks {
            let operation = block.operation.on(images, training);
            x = x.apply_op3(block.weight.as_tensor(), block.affine.as_tensor(), operation)?;
        }
        if !self.blocks.is_empty() {
            x = x.apply_op1(Blocked { images })?;
        }
        for (depth, layer) in self.dense.iter().enumerate() {
            let operation = Linear { needs_input_gradient: depth > 0 || !self.blocks.is_empty() };
            x = x.apply_op3(layer.weight.as_tensor(), layer.bias.as_tensor(), operation)?;
        }
        Ok(x)
    }

    /// Takes weights from a state dict with PyTorch's names, `layers.N.weight` and so on.
    ///
    /// # Errors
    ///
    /// If a tensor is missing or has another shape.
    pub fn load(&mut self, state: &HashMap<String, Tensor>) -> Result<(), NetworkError> {
        for block in &mut self.blocks {
            let out = block.weight.dim(0)?;
            let (conv, norm) = (block.module, block.module + 1);
            block.weight.set(&find(
                state,
                &format!("layers.{conv}.weight"),
                block.weight.dims(),
            )?)?;
            block.bias = find(state, &format!("layers.{conv}.bias"), &[out])?;
            let gamma = find(state, &format!("layers.{norm}.weight"), &[out])?;
            let beta = find(state, &format!("layers.{norm}.bias"), &[out])?;
            block.affine.set(&Tensor::stack(&[gamma, beta], 0)?)?;
            let mean = find(state, &format!("layers.{norm}.running_mean"), &[out])?;
            let variance = find(state, &format!("layers.{norm}.running_var"), &[out])?;
            // PyTorch's mean is of values with the bias, ours without.
            let mean = mean.sub(&block.bias)?.to_vec1()?;
            block.operation.set_norm(BatchNorm { mean, variance: variance.to_vec1()? });
        }
        for layer in &self.dense {
            let name = format!("layers.{}", layer.module);
            layer.weight.set(&find(state, &format!("{name}.weight"), layer.weight.dims())?)?;
            layer.bias.set(&find(state, &format!("{name}.bias"), layer.bias.dims())?)?;
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
        for block in &self.blocks {
            let (conv, norm) = (block.module, block.module + 1);
            let BatchNorm { mean, variance } = block.operation.norm();
            let channels = mean.len();
            let mean = Tensor::from_vec(mean, channels, &Device::Cpu)?.add(&block.bias)?;
            state.insert(format!("layers.{conv}.weight"), block.weight.as_tensor().copy()?);
            state.insert(format!("layers.{conv}.bias"), block.bias.clone());
            state.insert(format!("layers.{norm}.weight"), block.affine.get(0)?.copy()?);
            state.insert(format!("layers.{norm}.bias"), block.affine.get(1)?.copy()?);
            state.insert(format!("layers.{norm}.running_mean"), mean);
            let variance = Tensor::from_vec(variance, channels, &Device::Cpu)?;
            state.insert(format!("layers.{norm}.running_var"), variance);
        }
        for layer in &self.dense {
            let name = format!("layers.{}", layer.module);
            state.insert(format!("{name}.weight"), layer.weight.as_tensor().copy()?);
            state.insert(format!("{name}.bias"), layer.bias.as_tensor().copy()?);
        }
        Ok(state)
    }
}

fn find(
    state: &HashMap<String, Tensor>,
    name: &str,
    expected: &[usize],
) -> Result<Tensor, NetworkError> {
    let fail = |found: String| NetworkError::State {
        name: name.to_owned(),
        found,
        expected: expected.to_vec(),
    };
    let tensor = state.get(name).ok_or_else(|| fail("missing".to_owned()))?;
    if tensor.dims() != expected {
        return Err(fail(format!("of shape {:?}", tensor.dims())));
    }
    Ok(tensor.to_dtype(candle_core::DType::F32)?.contiguous()?)
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
        let from = Network::new(&kind, 1, 12, 10, 1).unwrap();
        let mut to = Network::new(&kind, 1, 12, 10, 2).unwrap();
        to.load(&from.state().unwrap()).unwrap();
        let images: Vec<f32> = (0..3 * 144).map(|it| (it % 17) as f32 / 17.0).collect();
        let logits = |it: &Network| {
            let batch = it.batch(&images).unwrap();
            it.forward(&batch, 3, false).unwrap().to_vec2::<f32>().unwrap()
        };
        assert_eq!(logits(&from), logits(&to));
        let mut state = from.state().unwrap();
        state.remove("layers.0.weight");
        assert!(matches!(to.load(&state), Err(NetworkError::State { .. })));
    }
}
