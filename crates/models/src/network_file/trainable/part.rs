//! What a trained network consists of.

use candle_core::{Result, Tensor};
use candle_nn::ModuleT;

/// Whose layers a trained network consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layers {
    /// Plain candle-nn, which runs on every device of candle.
    #[default]
    Candle,
    /// Those of [`crate::nn`], with our kernels: faster, on CPUs only.
    Fused,
}

/// A module of a network.
pub(super) type Part = Box<dyn ModuleT + Send + Sync>;

/// Modules that follow one another.
pub(super) struct Chain(pub(super) Vec<Part>);

impl ModuleT for Chain {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.0.iter().try_fold(x.clone(), |x, part| part.forward_t(&x, train))
    }
}
