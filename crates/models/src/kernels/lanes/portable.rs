//! Lanes for any processor.

use super::Lanes;

/// Four floats in an array, which the compiler keeps in a register: SSE2 on x86-64, NEON on AArch64.
#[derive(Clone, Copy)]
#[repr(align(16))]
pub(in crate::kernels) struct Portable([f32; 4]);

/// Whether multiply-adds are fused. Without the instruction, `mul_add` would be a slow library call.
const FMA: bool = cfg!(any(target_arch = "aarch64", target_feature = "fma"));

impl Portable {
    #[inline(always)]
    fn zip(self, other: Self, of: impl Fn(f32, f32) -> f32) -> Self {
        Self(std::array::from_fn(|i| of(self.0[i], other.0[i])))
    }
}

impl Lanes for Portable {
    const WIDTH: usize = 4;
    const REGISTERS: usize = if cfg!(target_arch = "x86_64") { 16 } else { 32 };

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self([value; 4])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's contract: there are 4 floats at `from`.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: the caller's contract: there is room for 4 floats at `to`.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| {
            if FMA { self.0[i].mul_add(a.0[i], b.0[i]) } else { self.0[i] * a.0[i] + b.0[i] }
        }))
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        self.zip(other, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        self.zip(other, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn where_positive(self, value: Self) -> Self {
        self.zip(value, |lane, value| if lane > 0.0 { value } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn add_where_equal(
        self,
        other: Self,
        value: Self,
        to: Self,
        left: Self,
    ) -> (Self, Self) {
        let (mut to, mut left) = (to.0, left.0);
        for i in 0..4 {
            let hit = self.0[i] == other.0[i] && left[i] != 0.0;
            to[i] += if hit { value.0[i] } else { 0.0 };
            left[i] = if hit { 0.0 } else { left[i] };
        }
        (Self(to), Self(left))
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        let [a, b, c, d] = self.0;
        (a + c) + (b + d)
    }
    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}
    #[inline(always)]
    unsafe fn transpose(
        from: *const f32,
        from_pitch: usize,
        rows: usize,
        to: *mut f32,
        to_pitch: usize,
        terms: usize,
    ) {
        for term in 0..terms {
            let value = |row: usize| {
                // SAFETY: the caller's contract: this row can be read.
                if row < rows { unsafe { *from.add(row * from_pitch + term) } } else { 0.0 }
            };
            // SAFETY: the caller's contract: there is room for this term.
            unsafe { Self(std::array::from_fn(value)).store(to.add(term * to_pitch)) };
        }
    }
}
