//! Whose layers a network is trained with.

use record::Engine;

/// Whose layers a network for training consists of. Both have the same variables, and the same results up to
/// rounding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layers {
    /// Plain candle and candle-nn.
    #[default]
    Candle,
    /// Our kernels ([`crate::nn`]), which are faster on CPUs; candle's where we have none.
    Fused,
}

impl From<Engine> for Layers {
    fn from(engine: Engine) -> Self {
        match engine {
            Engine::Candle => Self::Candle,
            // An engine that is not known yet cannot be candle's.
            _ => Self::Fused,
        }
    }
}
