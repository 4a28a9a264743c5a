//! Words of any processor.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block reads or writes under the trait's contract"
)]

use super::{Floats, LANES, Words};
use crate::kernels::bytes::round::rounded;

/// An array of words, which the compiler keeps in registers.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct Portable([i32; LANES]);

/// An array of numbers.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct PortableFloats([f32; LANES]);

impl Words for Portable {
    const GROUP: usize = 2;
    const PIXELS: [usize; 3] = [2, 0, 0];
    type Floats = PortableFloats;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self([0; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        Self(unsafe { from.cast::<[i32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        unsafe { to.cast::<[i32; LANES]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        Self(unsafe { from.cast::<[u8; LANES]>().read() }.map(i32::from))
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> Self {
        Self([unsafe { from.cast::<i32>().read_unaligned() }; LANES])
    }
    #[inline(always)]
    unsafe fn add_products(self, image: Self, weights: Self) -> Self {
        let mut sums = self.0;
        for lane in 0..LANES {
            let (a, w) = (image.0[lane], weights.0[lane]);
            sums[lane] += i32::from(a as i16) * i32::from(w as i16) + (a >> 16) * (w >> 16);
        }
        Self(sums)
    }
    #[inline(always)]
    unsafe fn add_words(self, image: Self, weights: Self) -> Self {
        let mut sums = self.0;
        for lane in 0..LANES {
            sums[lane] += i32::from(image.0[lane] as i16) * i32::from(weights.0[lane] as i16);
        }
        Self(sums)
    }
    #[inline(always)]
    unsafe fn floats(self) -> PortableFloats {
        PortableFloats(self.0.map(|sum| sum as f32))
    }
}

impl Floats for PortableFloats {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; LANES])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            out[lane] += other.0[lane];
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            out[lane] *= other.0[lane];
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            out[lane] = if out[lane] > other.0[lane] { out[lane] } else { other.0[lane] };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..LANES {
            out[lane] = if out[lane] < other.0[lane] { out[lane] } else { other.0[lane] };
        }
        Self(out)
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, lanes: usize) {
        unsafe { to.copy_from_nonoverlapping(self.0.as_ptr(), lanes) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize) {
        let mut bytes = [0_u8; LANES];
        for lane in 0..LANES {
            bytes[lane] = unsafe { rounded(self.0[lane]) };
        }
        unsafe { to.copy_from_nonoverlapping(bytes.as_ptr(), lanes) }
    }
}
