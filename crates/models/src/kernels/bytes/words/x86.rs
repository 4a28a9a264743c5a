//! Words of AVX2 and of AVX-512 with VNNI.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is intrinsics under the trait's contract"
)]

use std::arch::x86_64::*;

use super::{Floats, LANES, Words};

/// One AVX-512 register.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct Vnni(__m512i);

/// One AVX-512 register of numbers.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct VnniFloats(__m512);

impl Words for Vnni {
    const GROUP: usize = 4;
    const PIXELS: [usize; 3] = [14, 14, 6];
    type Floats = VnniFloats;

    #[inline(always)]
    unsafe fn zero() -> Self {
        Self(unsafe { _mm512_setzero_si512() })
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        Self(unsafe { _mm512_loadu_si512(from.cast()) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        unsafe { _mm512_storeu_si512(to.cast(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        Self(unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) })
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> Self {
        Self(unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) })
    }
    #[inline(always)]
    unsafe fn add_products(self, image: Self, weights: Self) -> Self {
        Self(unsafe { _mm512_dpbusd_epi32(self.0, image.0, weights.0) })
    }
    #[inline(always)]
    unsafe fn add_words(self, image: Self, weights: Self) -> Self {
        Self(unsafe { _mm512_dpwssd_epi32(self.0, image.0, weights.0) })
    }
    #[inline(always)]
    unsafe fn floats(self) -> VnniFloats {
        VnniFloats(unsafe { _mm512_cvtepi32_ps(self.0) })
    }
}

impl Floats for VnniFloats {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
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
    unsafe fn max(self, other: Self) -> Self {
        Self(unsafe { _mm512_max_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        Self(unsafe { _mm512_min_ps(self.0, other.0) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, lanes: usize) {
        unsafe { _mm512_mask_storeu_ps(to, ((1_u32 << lanes) - 1) as u16, self.0) }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize) {
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(self.0));
            store_some(bytes, to, lanes);
        }
    }
}

/// Two AVX registers.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct Avx2(__m256i, __m256i);

/// Two AVX registers of numbers.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct Avx2Floats(__m256, __m256);

impl Words for Avx2 {
    const GROUP: usize = 2;
    const PIXELS: [usize; 3] = [6, 0, 0];
    type Floats = Avx2Floats;

    #[inline(always)]
    unsafe fn zero() -> Self {
        unsafe { Self(_mm256_setzero_si256(), _mm256_setzero_si256()) }
    }
    #[inline(always)]
    unsafe fn load(from: *const i32) -> Self {
        unsafe {
            Self(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(LANES / 2).cast()))
        }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut i32) {
        unsafe {
            _mm256_storeu_si256(to.cast(), self.0);
            _mm256_storeu_si256(to.add(LANES / 2).cast(), self.1);
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Self {
        unsafe {
            let bytes = _mm_loadu_si128(from.cast());
            let high = _mm_unpackhi_epi64(bytes, bytes);
            Self(_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(high))
        }
    }
    #[inline(always)]
    unsafe fn splat(from: *const u8) -> Self {
        unsafe {
            let word = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            Self(word, word)
        }
    }
    #[inline(always)]
    unsafe fn add_products(self, image: Self, weights: Self) -> Self {
        unsafe {
            Self(
                _mm256_add_epi32(self.0, _mm256_madd_epi16(image.0, weights.0)),
                _mm256_add_epi32(self.1, _mm256_madd_epi16(image.1, weights.1)),
            )
        }
    }
    #[inline(always)]
    unsafe fn add_words(self, image: Self, weights: Self) -> Self {
        unsafe { self.add_products(image, weights) }
    }
    #[inline(always)]
    unsafe fn floats(self) -> Avx2Floats {
        unsafe { Avx2Floats(_mm256_cvtepi32_ps(self.0), _mm256_cvtepi32_ps(self.1)) }
    }
}

impl Floats for Avx2Floats {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Self(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(LANES / 2))) }
    }
    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn max(self, other: Self) -> Self {
        unsafe { Self(_mm256_max_ps(self.0, other.0), _mm256_max_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn min(self, other: Self) -> Self {
        unsafe { Self(_mm256_min_ps(self.0, other.0), _mm256_min_ps(self.1, other.1)) }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, lanes: usize) {
        unsafe {
            if lanes == LANES {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(LANES / 2), self.1);
                return;
            }
            let mut all = [0.0_f32; LANES];
            _mm256_storeu_ps(all.as_mut_ptr(), self.0);
            _mm256_storeu_ps(all.as_mut_ptr().add(LANES / 2), self.1);
            to.copy_from_nonoverlapping(all.as_ptr(), lanes);
        }
    }
    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, lanes: usize) {
        unsafe {
            let (low, high) = (_mm256_cvtps_epi32(self.0), _mm256_cvtps_epi32(self.1));
            // Packs the halves of both registers alternately; the permutation undoes this.
            let words = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(low, high));
            let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            store_some(_mm_packus_epi16(low, high), to, lanes);
        }
    }
}

/// Stores the first `lanes` bytes.
#[inline(always)]
unsafe fn store_some(bytes: __m128i, to: *mut u8, lanes: usize) {
    unsafe {
        if lanes == LANES {
            _mm_storeu_si128(to.cast(), bytes);
            return;
        }
        let mut all = [0_u8; LANES];
        _mm_storeu_si128(all.as_mut_ptr().cast(), bytes);
        to.copy_from_nonoverlapping(all.as_ptr(), lanes);
    }
}
