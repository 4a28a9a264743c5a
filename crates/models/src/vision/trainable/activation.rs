//! Activation functions as candle operations with a gradient.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

use super::super::layers::Activation;

/// Applies an activation.
pub(super) fn activate(x: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::None => Ok(x.clone()),
        Activation::Relu => x.relu(),
        Activation::Relu6 => x.relu()?.minimum(6.0),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x.silu(),
        Activation::HardSigmoid => hard_sigmoid(x),
        Activation::HardSwish => x * hard_sigmoid(x)?,
        Activation::Gelu => x.gelu_erf(),
    }
}

fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    (x + 3.0)?.relu()?.minimum(6.0)? / 6.0
}
