//! The instructions that multiply bytes.

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::amx;
use crate::kernels::InstructionSet;

/// The instructions of the kernels for bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteSet {
    /// AMX: products of 16 × 64 and 64 × 16 bytes are added to 256 integers at a time. Operations without such
    /// products use AVX-512 with VNNI.
    Amx,
    /// AVX-512 with VNNI: products of 4 bytes are added to each of 16 integers at a time.
    Vnni,
    /// AVX2: products of two 16-bit integers are added to each of 8 integers at a time. The instruction for
    /// bytes (`vpmaddubsw`) is not used, because its sums overflow.
    Avx2,
    /// Any processor.
    Portable,
}

impl ByteSet {
    /// All sets, the fastest first.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 4] = [Self::Amx, Self::Vnni, Self::Avx2, Self::Portable];

    /// The name, for summaries.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amx => "amx",
            Self::Vnni => "avx512-vnni",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this processor has it.
    pub(crate) fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Self::Vnni.is_available() && amx::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => {
                std::arch::is_x86_feature_detected!("avx512vnni")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && InstructionSet::Avx512.is_available()
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Amx | Self::Vnni => false,
            Self::Avx2 => InstructionSet::Avx2.is_available(),
            Self::Portable => true,
        }
    }

    /// The set that belongs to the one of the other kernels. A processor with AVX-512 but without VNNI uses AVX2.
    pub(crate) fn current() -> Self {
        static CURRENT: OnceLock<ByteSet> = OnceLock::new();
        *CURRENT.get_or_init(|| match InstructionSet::current() {
            InstructionSet::Avx512 if Self::Amx.is_available() => Self::Amx,
            InstructionSet::Avx512 if Self::Vnni.is_available() => Self::Vnni,
            InstructionSet::Avx512 | InstructionSet::Avx2 => Self::Avx2,
            InstructionSet::Portable => Self::Portable,
        })
    }
}
