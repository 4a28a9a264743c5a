//! Whose layers a network is trained with.

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
