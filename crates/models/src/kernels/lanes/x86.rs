//! Lanes of AVX2 and AVX-512.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is intrinsics under the trait's contract"
)]

use std::arch::x86_64::*;

use super::Lanes;

/// One AVX register.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Avx2(__m256);

/// One AVX-512 register.
#[derive(Clone, Copy)]
pub(in crate::kernels) struct Avx512(__m512);

impl Lanes for Avx2 {
    const WIDTH: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm256_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm256_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { _mm256_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { _mm256_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn where_positive(self, value: Self) -> Self {
        unsafe {
            let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
            Self(_mm256_and_ps(positive, value.0))
        }
    }
    #[inline(always)]
    unsafe fn add_where_equal(
        self,
        other: Self,
        value: Self,
        to: Self,
        left: Self,
    ) -> (Self, Self) {
        unsafe {
            let open = _mm256_cmp_ps::<_CMP_NEQ_OQ>(left.0, _mm256_setzero_ps());
            let hit = _mm256_and_ps(open, _mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0));
            let sum = _mm256_add_ps(to.0, value.0);
            (Self(_mm256_blendv_ps(to.0, sum, hit)), Self(_mm256_andnot_ps(hit, left.0)))
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe {
            let half =
                _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)))
        }
    }
    #[inline(always)]
    unsafe fn prefetch(address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }
    #[inline(always)]
    unsafe fn transpose(
        from: *const f32,
        from_pitch: usize,
        rows: usize,
        to: *mut f32,
        to_pitch: usize,
        terms: usize,
    ) {
        unsafe {
            let mut a = [_mm256_setzero_ps(); 8];
            for (row, value) in a.iter_mut().enumerate() {
                if row < rows {
                    *value = _mm256_loadu_ps(from.add(row * from_pitch));
                }
            }
            // Transpose pairs, then groups of four within each half of a register, then the halves.
            let mut b = a;
            for i in 0..4 {
                b[2 * i] = _mm256_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                b[2 * i + 1] = _mm256_unpackhi_ps(a[2 * i], a[2 * i + 1]);
            }
            for i in 0..2 {
                for half in 0..2 {
                    let (low, high) = (b[4 * i + half], b[4 * i + 2 + half]);
                    a[4 * i + 2 * half] = _mm256_shuffle_ps::<0x44>(low, high);
                    a[4 * i + 2 * half + 1] = _mm256_shuffle_ps::<0xee>(low, high);
                }
            }
            for i in 0..4 {
                b[i] = _mm256_permute2f128_ps::<0x20>(a[i], a[4 + i]);
                b[4 + i] = _mm256_permute2f128_ps::<0x31>(a[i], a[4 + i]);
            }
            for (term, value) in b.iter().enumerate() {
                if term < terms {
                    _mm256_storeu_ps(to.add(term * to_pitch), *value);
                }
            }
        }
    }
}

impl Lanes for Avx512 {
    const WIDTH: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        unsafe { _mm512_storeu_ps(to, self.0) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, a.0, b.0) })
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn where_positive(self, value: Self) -> Self {
        unsafe {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, _mm512_setzero_ps());
            Self(_mm512_maskz_mov_ps(mask, value.0))
        }
    }
    #[inline(always)]
    unsafe fn add_where_equal(
        self,
        other: Self,
        value: Self,
        to: Self,
        left: Self,
    ) -> (Self, Self) {
        unsafe {
            let open = _mm512_cmp_ps_mask::<_CMP_NEQ_OQ>(left.0, _mm512_setzero_ps());
            let hit = _mm512_mask_cmp_ps_mask::<_CMP_EQ_OQ>(open, self.0, other.0);
            let to = _mm512_mask_add_ps(to.0, hit, to.0, value.0);
            (Self(to), Self(_mm512_maskz_mov_ps(!hit, left.0)))
        }
    }
    #[inline(always)]
    unsafe fn sum(self) -> f32 {
        unsafe { _mm512_reduce_add_ps(self.0) }
    }
    #[inline(always)]
    unsafe fn prefetch(address: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(address.cast()) }
    }
    #[inline(always)]
    unsafe fn transpose(
        from: *const f32,
        from_pitch: usize,
        rows: usize,
        to: *mut f32,
        to_pitch: usize,
        terms: usize,
    ) {
        unsafe {
            let mut a = [_mm512_setzero_ps(); 16];
            for (row, value) in a.iter_mut().enumerate() {
                if row < rows {
                    *value = _mm512_loadu_ps(from.add(row * from_pitch));
                }
            }
            // Transpose pairs, then groups of four within each quarter of a register, then the quarters.
            let mut b = a;
            for i in 0..8 {
                b[2 * i] = _mm512_unpacklo_ps(a[2 * i], a[2 * i + 1]);
                b[2 * i + 1] = _mm512_unpackhi_ps(a[2 * i], a[2 * i + 1]);
            }
            for i in 0..4 {
                for half in 0..2 {
                    let low = _mm512_castps_pd(b[4 * i + half]);
                    let high = _mm512_castps_pd(b[4 * i + 2 + half]);
                    a[4 * i + 2 * half] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
                    a[4 * i + 2 * half + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
                }
            }
            for i in 0..4 {
                b[i] = _mm512_shuffle_f32x4::<0x88>(a[i], a[4 + i]);
                b[4 + i] = _mm512_shuffle_f32x4::<0xdd>(a[i], a[4 + i]);
                b[8 + i] = _mm512_shuffle_f32x4::<0x88>(a[8 + i], a[12 + i]);
                b[12 + i] = _mm512_shuffle_f32x4::<0xdd>(a[8 + i], a[12 + i]);
            }
            for i in 0..4 {
                a[i] = _mm512_shuffle_f32x4::<0x88>(b[i], b[8 + i]);
                a[8 + i] = _mm512_shuffle_f32x4::<0xdd>(b[i], b[8 + i]);
                a[4 + i] = _mm512_shuffle_f32x4::<0x88>(b[4 + i], b[12 + i]);
                a[12 + i] = _mm512_shuffle_f32x4::<0xdd>(b[4 + i], b[12 + i]);
            }
            for (term, value) in a.iter().enumerate() {
                if term < terms {
                    _mm512_storeu_ps(to.add(term * to_pitch), *value);
                }
            }
        }
    }
}
