//! Networks of files as modules that candle's autograd trains.

mod attention;
mod build;
mod layers;
mod pool;

use candle_core::{Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};

use super::{error::NetworkFileError, file::NetworkFile};

/// Whose layers a trained network consists of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layers {
    /// Plain candle-nn, which runs on every device of candle.
    #[default]
    Candle,
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

impl NetworkFile {
    /// The network as a module that candle's autograd trains: `forward_t` computes logits `[n][classes]` of
    /// images `[n][channels][side][side]`, in single precision.
    ///
    /// New variables begin as torch's do by default. candle draws them from a generator without a seed: make
    /// the `VarBuilder` of [`NetworkFile::variables`] for equal runs. Dropout draws from a seed of its own, see
    /// [`NetworkFile::with_dropout_seed`].
    ///
    /// # Errors
    ///
    /// If a variable has another shape than the network needs.
    pub fn trainable(
        &self,
        variables: &VarBuilder<'_>,
        layers: Layers,
    ) -> std::result::Result<Box<dyn ModuleT + Send + Sync>, NetworkFileError> {
        let builder = build::Builder { variables, layers, dropout_seed: self.dropout_seed };
        let parts = builder.sequence(&self.plan().layers).map_err(|source| self.fail(source))?;
        Ok(Box::new(Chain(parts)))
    }
}
