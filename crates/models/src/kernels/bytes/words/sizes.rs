//! The sizes of words and tiles by set.

#[cfg(target_arch = "x86_64")]
use super::{Avx2, Vnni};
use super::{Portable, Words};
use crate::kernels::bytes::set::ByteSet;

/// [`Words::GROUP`] of a set.
pub(in crate::kernels::bytes) fn group(set: ByteSet) -> usize {
    match set {
        #[cfg(target_arch = "x86_64")]
        ByteSet::Amx | ByteSet::Vnni => Vnni::GROUP,
        #[cfg(target_arch = "x86_64")]
        ByteSet::Avx2 => Avx2::GROUP,
        _ => Portable::GROUP,
    }
}

/// [`Words::PIXELS`] of a set.
pub(in crate::kernels::bytes) fn pixels(set: ByteSet) -> [usize; 3] {
    match set {
        #[cfg(target_arch = "x86_64")]
        ByteSet::Amx | ByteSet::Vnni => Vnni::PIXELS,
        #[cfg(target_arch = "x86_64")]
        ByteSet::Avx2 => Avx2::PIXELS,
        _ => Portable::PIXELS,
    }
}
