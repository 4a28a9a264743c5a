//! Multi-head attention (Vaswani et al. 2017) as candle operations with a gradient.

use candle_core::{D, Result, Tensor};
use candle_nn::ops::softmax;

use super::{super::layers::Mode, layers::linear};
use crate::{layers::Layers, nn};

/// Attention over rows `[rows][tokens][width]`, given the weights and biases of the projection to queries, keys
/// and values and of the last linear layer. `bias` `[b][heads][tokens][tokens]` is added to the scores; row i
/// uses the one at i modulo b.
pub(in super::super) fn attend(
    x: &Tensor,
    project: &(Tensor, Tensor),
    combine: &(Tensor, Tensor),
    heads: usize,
    bias: Option<&Tensor>,
    mode: Mode,
) -> Result<Tensor> {
    let (rows, tokens, width) = x.dims3()?;
    let depth = width / heads;
    let parts = linear(&x.contiguous()?, &project.0, Some(&project.1), mode.layers)?;
    let parts = parts.reshape(&[rows, tokens, 3, heads, depth])?;
    let parts = parts.permute(vec![2, 0, 3, 1, 4])?.contiguous()?;
    let part = |index: usize| parts.narrow(0, index, 1)?.squeeze(0)?.contiguous();
    let (queries, keys, values) = (part(0)?, part(1)?, part(2)?);
    let scale = (depth as f64).powf(-0.5);
    let mixed = if mode.layers == Layers::Fused && bias.is_none() {
        nn::scaled_dot_product_attention(&queries, &keys, &values, None, scale)?
    } else {
        let mut scores = (queries * scale)?.matmul(&keys.t()?.contiguous()?)?;
        if let Some(bias) = bias {
            let b = bias.dim(0)?;
            scores = scores
                .reshape(&[rows / b, b, heads, tokens, tokens])?
                .broadcast_add(&bias.unsqueeze(0)?)?
                .reshape((rows, heads, tokens, tokens))?;
        }
        softmax(&scores, D::Minus1)?.matmul(&values)?
    };
    let mixed = mixed.transpose(1, 2)?.contiguous()?.reshape((rows, tokens, width))?;
    linear(&mixed, &combine.0, Some(&combine.1), mode.layers)
}
