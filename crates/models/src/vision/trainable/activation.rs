//! Activation functions as candle operations with a gradient.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

use super::super::layers::{Activation, Mode};
use crate::{layers::Layers, nn};

/// Applies an activation.
pub(super) fn activate(x: &Tensor, activation: Activation, mode: Mode) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => rectify(x, mode),
        Activation::Relu6 => rectify(x, mode)?.minimum(6.0),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x.silu(),
        Activation::HardSigmoid => hard_sigmoid(x),
        Activation::HardSwish => x * hard_sigmoid(x)?,
        Activation::Gelu => x.gelu_erf(),
    }
}

/// max(x, 0).
pub(super) fn rectify(x: &Tensor, mode: Mode) -> Result<Tensor> {
    match mode.layers {
        Layers::Candle => x.relu(),
        Layers::Fused => nn::relu(x),
    }
}

fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    (x + 3.0)?.relu()?.minimum(6.0)? / 6.0
}
