//! Networks of files as modules that candle's autograd trains.

mod attention;
mod build;
mod layers;
mod part;
mod pool;

use candle_nn::{ModuleT, VarBuilder};

use self::part::Chain;
pub use self::part::Layers;

use super::{error::NetworkFileError, file::NetworkFile};

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
    ) -> Result<Box<dyn ModuleT + Send + Sync>, NetworkFileError> {
        let builder = build::Builder { variables, layers, dropout_seed: self.dropout_seed };
        let parts = builder.sequence(&self.plan().layers).map_err(|source| self.fail(source))?;
        Ok(Box::new(Chain(parts)))
    }
}
