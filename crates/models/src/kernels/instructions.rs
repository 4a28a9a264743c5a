//! The instruction set that the kernels use: the widest one that the processor has, or the one that
//! `WATTLAB_LANES` names.

use std::sync::OnceLock;

/// The environment variable that chooses an instruction set, to test or measure each of them on one machine.
pub const LANES_VARIABLE: &str = "WATTLAB_LANES";

/// An instruction set for which kernels are compiled. Results of different sets may differ in the last digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// x86-64 with AVX-512F: 32 registers of 16 floats.
    Avx512,
    /// x86-64 with AVX2 and FMA: 16 registers of 8 floats.
    Avx2,
    /// Any processor: arrays of 4 floats, which the compiler keeps in registers (SSE2 or NEON).
    Portable,
}

/// A value of [`LANES_VARIABLE`] that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LanesError {
    /// The name is unknown.
    #[error("{LANES_VARIABLE}=`{0}` is unknown; use `avx512`, `avx2` or `portable`, or unset it")]
    Unknown(String),
    /// This processor lacks the instructions.
    #[error("{LANES_VARIABLE}=`{0}`: this processor does not have these instructions; unset it")]
    Missing(String),
}

impl InstructionSet {
    /// All sets, the fastest first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// The name, as in [`LANES_VARIABLE`] and in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        let (avx512, avx2) = (
            std::arch::is_x86_feature_detected!("avx512f"),
            std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("fma"),
        );
        #[cfg(not(target_arch = "x86_64"))]
        let (avx512, avx2) = (false, false);
        match self {
            Self::Avx512 => avx512 && avx2,
            Self::Avx2 => avx2,
            Self::Portable => true,
        }
    }

    /// The set that the kernels of this process use. It is chosen once, because packed weights have its layout.
    /// An unusable value of [`LANES_VARIABLE`] counts as none; [`Self::chosen`] reports it.
    pub fn current() -> Self {
        static CURRENT: OnceLock<InstructionSet> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::chosen().unwrap_or_else(|_| Self::best()))
    }

    /// The set that [`LANES_VARIABLE`] chooses, or the best one if it is not set.
    ///
    /// # Errors
    ///
    /// If the variable names an unknown set or one that this processor lacks.
    pub fn chosen() -> Result<Self, LanesError> {
        let Some(name) = std::env::var_os(LANES_VARIABLE).filter(|name| !name.is_empty()) else {
            return Ok(Self::best());
        };
        let name = name.to_string_lossy().into_owned();
        match Self::ALL.into_iter().find(|set| set.name() == name) {
            None => Err(LanesError::Unknown(name)),
            Some(set) if set.is_available() => Ok(set),
            Some(_) => Err(LanesError::Missing(name)),
        }
    }

    /// The fastest set that this processor has.
    fn best() -> Self {
        Self::ALL.into_iter().find(|set| set.is_available()).unwrap_or(Self::Portable)
    }
}
