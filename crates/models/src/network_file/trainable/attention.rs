//! Tokens and attention (Vaswani et al. 2017).

use candle_core::{D, Result, Tensor};
use candle_nn::{Module, ModuleT, ops::softmax};

use super::part::Part;
use crate::layers::Layers;
use crate::nn;

/// Multi-head attention of every token to every token, as torch's `MultiheadAttention`.
pub(super) struct Attention {
    /// The projection to queries, keys and values.
    pub(super) project: Part,
    /// The last linear layer.
    pub(super) combine: Part,
    pub(super) heads: usize,
    pub(super) layers: Layers,
}

impl ModuleT for Attention {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (n, tokens, width) = x.dims3()?;
        let head = width / self.heads;
        let parts = self.project.forward_t(x, train)?;
        let part = |index: usize| {
            parts
                .narrow(D::Minus1, index * width, width)?
                .reshape((n, tokens, self.heads, head))?
                .transpose(1, 2)?
                .contiguous()
        };
        let scale = (head as f64).powf(-0.5);
        let (queries, keys, values) = (part(0)?, part(1)?, part(2)?);
        let mixed = match self.layers {
            Layers::Candle => {
                let scores = (queries * scale)?.matmul(&keys.transpose(2, 3)?.contiguous()?)?;
                softmax(&scores, D::Minus1)?.matmul(&values)?
            }
            Layers::Fused => {
                nn::scaled_dot_product_attention(&queries, &keys, &values, None, scale)?
            }
        };
        let mixed = mixed.transpose(1, 2)?.contiguous()?.reshape((n, tokens, width))?;
        self.combine.forward_t(&mixed, train)
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
