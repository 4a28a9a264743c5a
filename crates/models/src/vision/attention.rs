//! Multi-head attention (Vaswani et al. 2017) and the other half of a transformer block, the perceptron.

use candle_core::{Result, Tensor};

use super::{
    device_pass::{DeviceTensor, ForwardPass},
    error::VisionError,
    layers::{
        Activation::{Gelu, None},
        Layer, Linear, Mode,
    },
    trainable::attend,
    weights::{Weights, linear},
};
use crate::{device::Argument, kernels::image::Attend};

/// Multi-head attention of every token to every token of its row.
pub(super) struct Attention {
    form: Form,
    width: usize,
    heads: usize,
}

enum Form {
    Inference {
        /// Projection to queries, keys and values, side by side. The queries' weights include the division
        /// by the square root of a head's width.
        project: Box<Linear>,
        combine: Box<Linear>,
    },
    /// Weights and biases of the same layers, without that division.
    Training { project: (Tensor, Tensor), combine: (Tensor, Tensor) },
}

impl Attention {
    /// Number of weights: those of the projections to queries, keys and values, and of the combination.
    pub(super) fn weights(&self) -> usize {
        4 * self.width * self.width
    }

    /// `weight` and `bias` are the names of the three projections' tensors, `output` that of the last
    /// linear layer.
    pub(super) fn new(
        w: &mut Weights,
        (weight, bias): (&str, &str),
        output: &str,
        width: usize,
        heads: usize,
    ) -> std::result::Result<Self, VisionError> {
        let (weight, bias) = w.matrix((weight, bias), width, 3 * width)?;
        if w.trains() {
            let project = (weight, bias);
            let names = (&*format!("{output}.weight"), &*format!("{output}.bias"));
            let combine = w.matrix(names, width, width)?;
            return Ok(Self { form: Form::Training { project, combine }, width, heads });
        }
        let scale = ((width / heads) as f64).powf(-0.5);
        let scaled = |tensor: &Tensor| -> Result<Tensor> {
            let queries = (tensor.narrow(0, 0, width)? * scale)?;
            Tensor::cat(&[queries, tensor.narrow(0, width, 2 * width)?], 0)
        };
        let project = linear(&scaled(&weight)?, &scaled(&bias)?, None)?;
        let (weight, bias) =
            w.matrix((&format!("{output}.weight"), &format!("{output}.bias")), width, width)?;
        let combine = linear(&weight, &bias, None)?;
        let (project, combine) = (Box::new(project), Box::new(combine));
        Ok(Self { form: Form::Inference { project, combine }, width, heads })
    }

    /// Floating-point operations for `rows` rows of `tokens` tokens: four projections, and two products
    /// of every token with every token.
    pub(super) fn flops(&self, rows: usize, tokens: usize) -> f64 {
        let width = self.width;
        (2 * rows * tokens * (4 * width * width + 2 * tokens * width)) as f64
    }

    /// Attention over rows `[rows][tokens][width]`. Biases `[b][heads][tokens][tokens]` are added to the
    /// scores; row i uses the one at i modulo b.
    pub(super) fn forward(&self, x: &Tensor, bias: Option<&Tensor>, mode: Mode) -> Result<Tensor> {
        match &self.form {
            Form::Inference { project, combine } => {
                let parts = project.forward(x)?;
                combine.forward(&parts.apply_op1_no_bwd(&Attend { heads: self.heads, bias })?)
            }
            Form::Training { project, combine } => {
                attend(x, project, combine, self.heads, bias, mode)
            }
        }
    }
}

impl Attention {
    /// The same on a device; `bias` is an address and the number of biases b.
    pub(super) fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
        bias: Option<(Argument, usize)>,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        let Form::Inference { project, combine } = &self.form else {
            let text = "a layer for training cannot run on a device for inference".to_owned();
            return Err(VisionError::shape(text));
        };
        let parts = pass.linear(&project.0, x, Option::None)?;
        let mixed = pass.attend(&parts, self.heads, bias)?;
        drop(parts);
        pass.linear(&combine.0, mixed, Option::None)
    }
}

/// The perceptron of a transformer block, `x + last(gelu(first(norm(x))))` over the last axis; `first` has
/// four times as many outputs as inputs.
pub(super) fn perceptron(
    w: &mut Weights,
    norm: &str,
    name: &str,
    width: usize,
    epsilon: f32,
    drop: f64,
) -> std::result::Result<Layer, VisionError> {
    let path = vec![
        w.layer_norm(norm, width, epsilon)?,
        w.linear(&format!("{name}.0"), width, 4 * width, Gelu)?,
        w.linear(&format!("{name}.3"), 4 * width, width, None)?,
    ];
    Ok(residual(w, path, drop))
}

/// `x + path(x)`; `drop` is the share of images that skip the path in training.
pub(super) fn residual(w: &mut Weights, path: Vec<Layer>, drop: f64) -> Layer {
    let path = Box::new(w.stochastic_depth(Layer::Sequence(path), drop));
    Layer::Residual { path, shortcut: Option::None, relu: false }
}
