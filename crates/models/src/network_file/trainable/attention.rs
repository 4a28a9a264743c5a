//! Tokens and attention (Vaswani et al. 2017), with plain tensor operations.

use candle_core::{D, Result, Tensor};
use candle_nn::{Linear, Module, ops::softmax};

/// Multi-head attention of every token to every token, as torch's `MultiheadAttention`.
pub(super) struct Attention {
    project: Linear,
    combine: Linear,
    heads: usize,
}

impl Attention {
    /// Weights and biases of the projection to queries, keys and values, and of the last linear layer.
    pub(super) fn new(project: [Tensor; 2], combine: [Tensor; 2], heads: usize) -> Self {
        let linear = |[weight, bias]: [Tensor; 2]| Linear::new(weight, Some(bias));
        Self { project: linear(project), combine: linear(combine), heads }
    }
}

impl Module for Attention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, tokens, width) = x.dims3()?;
        let head = width / self.heads;
        let parts = self.project.forward(&x.contiguous()?)?;
        let part = |index: usize| {
            parts
                .narrow(D::Minus1, index * width, width)?
                .reshape((n, tokens, self.heads, head))?
                .transpose(1, 2)?
                .contiguous()
        };
        let queries = (part(0)? * (head as f64).powf(-0.5))?;
        let scores = queries.matmul(&part(1)?.transpose(2, 3)?.contiguous()?)?;
        let mixed = softmax(&scores, D::Minus1)?.matmul(&part(2)?)?;
        self.combine.forward(&mixed.transpose(1, 2)?.contiguous()?.reshape((n, tokens, width))?)
    }
}

/// Pixels as tokens, after a class token and with positions added if there are any.
pub(super) struct Tokens {
    pub(super) class: Option<Tensor>,
    pub(super) positions: Option<Tensor>,
}

impl Module for Tokens {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, channels, ..) = x.dims4()?;
        let mut tokens = x.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        if let Some(class) = &self.class {
            let class = class.broadcast_as((n, 1, channels))?.contiguous()?;
            tokens = Tensor::cat(&[class, tokens], 1)?;
        }
        match &self.positions {
            Some(positions) => tokens.broadcast_add(positions),
            None => Ok(tokens),
        }
    }
}

pub(super) struct FirstToken;

impl Module for FirstToken {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.narrow(1, 0, 1)?.squeeze(1)
    }
}

pub(super) struct MeanTokens;

impl Module for MeanTokens {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.mean(1)
    }
}
