//! Attention (Vaswani et al. 2017) and the block that it is half of.

use candle_core::{Result, Tensor};

use super::{
    VisionError,
    layers::{
        Activation::{Gelu, None},
        Layer, Linear,
    },
    resident::{Image, Walk},
    weights::{Weights, linear},
};
use crate::{device::Argument, kernels::image::Attend};

/// Attention of every token to every other of its row, in several heads.
pub(super) struct Attention {
    /// To queries (already divided by the root of a head's width), keys and values, side by side.
    project: Linear,
    combine: Linear,
    heads: usize,
}

impl Attention {
    /// `names` are the weight and the bias of the three projections.
    pub(super) fn new(
        w: &mut Weights,
        (weight, bias): (&str, &str),
        output: &str,
        width: usize,
        heads: usize,
    ) -> std::result::Result<Self, VisionError> {
        let (weight, bias) = w.matrix((weight, bias), width, 3 * width)?;
        let scale = ((width / heads) as f64).powf(-0.5);
        let scaled = |it: &Tensor| -> Result<Tensor> {
            let queries = (it.narrow(0, 0, width)? * scale)?;
            Tensor::cat(&[queries, it.narrow(0, width, 2 * width)?], 0)
        };
        let project = linear(&scaled(&weight)?, &scaled(&bias)?, None)?;
        let (weight, bias) =
            w.matrix((&format!("{output}.weight"), &format!("{output}.bias")), width, width)?;
        Ok(Self { project, combine: linear(&weight, &bias, None)?, heads })
    }

    /// Operations of so many rows of tokens: four projections, and two products of every token with
    /// every other.
    pub(super) fn flops(&self, rows: usize, tokens: usize) -> f64 {
        let width = self.combine.0.shape().input;
        (2 * rows * tokens * (4 * width * width + 2 * tokens * width)) as f64
    }

    /// Of rows of tokens `[rows][tokens][width]`; `bias` `[b][heads][tokens][tokens]` is added to the
    /// products of queries and keys, row i taking the one at i modulo b.
    pub(super) fn forward(&self, x: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let parts = self.project.forward(x)?;
        self.combine.forward(&parts.apply_op1_no_bwd(&Attend { heads: self.heads, bias })?)
    }
}

impl Attention {
    /// The same on a device; so many biases go round the rows.
    pub(super) fn resident(
        &self,
        walk: &Walk<'_>,
        x: Image,
        bias: Option<(Argument, usize)>,
    ) -> std::result::Result<Image, VisionError> {
        let parts = walk.linear(&self.project.0, x, Option::None)?;
        let mixed = walk.attend(&parts, self.heads, bias)?;
        drop(parts);
        walk.linear(&self.combine.0, mixed, Option::None)
    }
}

/// `x + last(gelu(first(norm(x))))` over the last axis, four times as wide in between.
pub(super) fn perceptron(
    w: &mut Weights,
    norm: &str,
    name: &str,
    width: usize,
    epsilon: f32,
) -> std::result::Result<Layer, VisionError> {
    Ok(residual(vec![
        w.layer_norm(norm, width, epsilon)?,
        w.linear(&format!("{name}.0"), width, 4 * width, Gelu)?,
        w.linear(&format!("{name}.3"), 4 * width, width, None)?,
    ]))
}

/// `x + path(x)`.
pub(super) fn residual(path: Vec<Layer>) -> Layer {
    let path = Box::new(Layer::Sequence(path));
    Layer::Residual { path, shortcut: Option::None, relu: false }
}
