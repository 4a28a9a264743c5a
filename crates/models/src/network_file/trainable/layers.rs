//! Layers that candle-nn lacks, or whose backward pass it lacks.

use std::sync::{Mutex, PoisonError};

use candle_core::{D, Result, Tensor};
use candle_nn::{Linear, Module, ModuleT};

use super::part::Chain;
use crate::{network_file::plan::PlannedActivation, nn, random::Stream};

/// A convolution of images that are padded before.
pub(super) struct Padded<C> {
    /// Rows of zeros above and columns at the left; rows below and columns at the right.
    pub(super) padding: [usize; 2],
    pub(super) conv: C,
}

impl<C: Module> Module for Padded<C> {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [before, after] = self.padding;
        if before + after == 0 {
            return self.conv.forward(x);
        }
        self.conv.forward(&x.pad_with_zeros(2, before, after)?.pad_with_zeros(3, before, after)?)
    }
}

/// A linear layer of candle-nn for rows or tokens.
pub(super) struct Dense(pub(super) Linear);

impl Module for Dense {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.0.forward(&x.contiguous()?)
    }
}

/// The ReLU of our kernels.
pub(super) struct FusedRelu;

impl Module for FusedRelu {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        nn::relu(x)
    }
}

pub(super) struct Activation(pub(super) PlannedActivation);

impl Module for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match self.0 {
            PlannedActivation::Relu => x.relu(),
            PlannedActivation::Relu6 => x.relu()?.minimum(6.0),
            PlannedActivation::Gelu => x.gelu_erf(),
            PlannedActivation::Silu => x.silu(),
        }
    }
}

/// Layer norm over the channels; candle-nn's has no backward pass.
pub(super) struct LayerNorm {
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
    pub(super) epsilon: f64,
    /// Whether x is an image, whose channels are the second axis.
    pub(super) image: bool,
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = if self.image { x.permute((0, 2, 3, 1))? } else { x.clone() };
        let centered = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = centered.sqr()?.mean_keepdim(D::Minus1)?;
        let normed = centered.broadcast_div(&(variance + self.epsilon)?.sqrt()?)?;
        let out = normed.broadcast_mul(&self.weight)?.broadcast_add(&self.bias)?;
        if self.image { out.permute((0, 3, 1, 2))?.contiguous() } else { Ok(out) }
    }
}

/// Dropout that draws from a seed; candle's generator has none on the CPU.
pub(super) struct Dropout {
    share: f64,
    stream: Mutex<Stream>,
}

impl Dropout {
    pub(super) fn new(share: f64, stream: Stream) -> Self {
        Self { share, stream: Mutex::new(stream) }
    }
}

impl ModuleT for Dropout {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !train || self.share == 0.0 {
            return Ok(x.clone());
        }
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        // A number that is uniform in [−1, 1) is below 2p − 1 with probability p.
        let (border, kept) = (2.0 * self.share - 1.0, (1.0 / (1.0 - self.share)) as f32);
        let drawn = stream.uniform(x.elem_count(), 1.0).into_iter();
        let mask: Vec<f32> =
            drawn.map(|drawn| if f64::from(drawn) < border { 0.0 } else { kept }).collect();
        x * Tensor::from_vec(mask, x.dims(), x.device())?
    }
}

pub(super) struct Flatten;

impl Module for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten_from(1)
    }
}

/// Every stride-th pixel, with zero channels before and after.
pub(super) struct OptionA {
    pub(super) stride: usize,
    pub(super) zeros: usize,
}

impl Module for OptionA {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let every = |axis: usize| -> Result<Tensor> {
            let pixels: Vec<u32> = (0..x.dim(axis)? as u32).step_by(self.stride).collect();
            Tensor::new(pixels, x.device())
        };
        let x = x.index_select(&every(2)?, 2)?.index_select(&every(3)?, 3)?;
        x.pad_with_zeros(1, self.zeros, self.zeros)
    }
}

pub(super) struct Residual {
    pub(super) body: Chain,
    /// Without layers if x itself is added.
    pub(super) shortcut: Chain,
}

impl ModuleT for Residual {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.body.forward_t(x, train)? + self.shortcut.forward_t(x, train)?
    }
}

pub(super) struct Concatenation {
    pub(super) branches: Vec<Chain>,
    /// The axis of the channels.
    pub(super) axis: usize,
}

impl ModuleT for Concatenation {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let parts = self.branches.iter().map(|branch| branch.forward_t(x, train));
        Tensor::cat(&parts.collect::<Result<Vec<_>>>()?, self.axis)
    }
}
