//! The flag `--engine`.

use record::Engine;

/// What computes trainings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum EngineFlag {
    /// Plain candle-nn with autograd.
    Candle,
    /// Our kernels, and candle's where we have none.
    Fused,
}

impl From<EngineFlag> for Engine {
    fn from(flag: EngineFlag) -> Self {
        match flag {
            EngineFlag::Candle => Self::Candle,
            EngineFlag::Fused => Self::Fused,
        }
    }
}
