//! Depthwise 3×3 convolutions by AVX-512 with VNNI, 64 channels at a time.
//!
//! The bytes of the three pixels of a column share a word, so that an instruction adds the products of a column. A
//! column is read once for the three outputs that it belongs to, if the stride is 1. Interleaving bytes changes the
//! order of channels within a register; weights and scales have the same order, and packing restores it.
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "each block is intrinsics under the contract of the function"
)]

use std::arch::x86_64::*;

use super::quantize::Requantize;

/// Channels of a block.
const BLOCK: usize = 64;
/// Registers of a block.
const PARTS: usize = 4;
/// Words of a register.
const LANES: usize = 16;

/// Weights, scales and shifts of a block in the order of interleaved bytes.
pub(super) struct ThreeByThree {
    /// `[blocks][3 columns][4][16]`: a word holds the weights of a channel's column.
    weights: Vec<i32>,
    /// `[blocks][4][16]`.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// The channel of a lane of a register, within its block.
fn channel(part: usize, lane: usize) -> usize {
    lane / 4 * 16 + part * 4 + lane % 4
}

impl ThreeByThree {
    /// From signed bytes `[c][3][3]`.
    pub(super) fn new(bytes: &[(Vec<i8>, f32)], requantize: &Requantize) -> Self {
        let blocks = bytes.len().div_ceil(BLOCK);
        let mut weights = vec![0_i32; blocks * 3 * BLOCK];
        let (mut scale, mut shift) = (vec![0.0; blocks * BLOCK], vec![0.0; blocks * BLOCK]);
        for place in 0..blocks * BLOCK {
            let (block, part, lane) = (place / BLOCK, place / LANES % PARTS, place % LANES);
            let of = block * BLOCK + channel(part, lane);
            let Some((bytes, _)) = bytes.get(of) else { continue };
            (scale[place], shift[place]) = (requantize.scale[of], requantize.shift[of]);
            for column in 0..3 {
                let word = [bytes[column], bytes[3 + column], bytes[6 + column], 0];
                let to = ((block * 3 + column) * PARTS + part) * LANES + lane;
                weights[to] = i32::from_le_bytes(word.map(i8::cast_unsigned));
            }
        }
        Self { weights, scale, shift }
    }
}

/// A row of the output.
pub(super) struct Row<'a> {
    pub(super) of: &'a ThreeByThree,
    /// The rows of the first window, from each of whose pixels 64 bytes can be read.
    pub(super) rows: [*const u8; 3],
    /// Bytes from one input pixel to the next.
    pub(super) column: usize,
    /// 1 or 2.
    pub(super) stride: usize,
    pub(super) channels: usize,
    pub(super) bounds: (f32, f32),
    /// `[pixels][channels]`.
    pub(super) to: *mut u8,
    pub(super) pixels: usize,
}

/// Computes a row.
///
/// # Safety
///
/// The processor has AVX-512 with BW and VNNI, and the pointers of [`Row`] are valid for each pixel.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) unsafe fn compute(row: &Row<'_>) {
    for block in 0..row.channels.div_ceil(BLOCK) {
        unsafe { one_block(row, block) };
    }
}

/// The words of an input column.
#[inline(always)]
unsafe fn words(row: &Row<'_>, offset: usize) -> [__m512i; PARTS] {
    unsafe {
        let a = _mm512_loadu_si512(row.rows[0].add(offset).cast());
        let b = _mm512_loadu_si512(row.rows[1].add(offset).cast());
        let c = _mm512_loadu_si512(row.rows[2].add(offset).cast());
        let zero = _mm512_setzero_si512();
        let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpackhi_epi8(a, b));
        let (low_c, high_c) = (_mm512_unpacklo_epi8(c, zero), _mm512_unpackhi_epi8(c, zero));
        [
            _mm512_unpacklo_epi16(low, low_c),
            _mm512_unpackhi_epi16(low, low_c),
            _mm512_unpacklo_epi16(high, high_c),
            _mm512_unpackhi_epi16(high, high_c),
        ]
    }
}

#[inline(always)]
unsafe fn add(
    sums: [__m512i; PARTS],
    words: [__m512i; PARTS],
    weights: [__m512i; PARTS],
) -> [__m512i; PARTS] {
    unsafe {
        [
            _mm512_dpbusd_epi32(sums[0], words[0], weights[0]),
            _mm512_dpbusd_epi32(sums[1], words[1], weights[1]),
            _mm512_dpbusd_epi32(sums[2], words[2], weights[2]),
            _mm512_dpbusd_epi32(sums[3], words[3], weights[3]),
        ]
    }
}

#[inline(always)]
unsafe fn load(from: *const i32) -> [__m512i; PARTS] {
    unsafe {
        [
            _mm512_loadu_si512(from.cast()),
            _mm512_loadu_si512(from.add(LANES).cast()),
            _mm512_loadu_si512(from.add(2 * LANES).cast()),
            _mm512_loadu_si512(from.add(3 * LANES).cast()),
        ]
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
unsafe fn one_block(row: &Row<'_>, block: usize) {
    unsafe {
        let weights = row.of.weights.as_ptr().add(block * 3 * BLOCK);
        let [first, second, third] =
            [load(weights), load(weights.add(BLOCK)), load(weights.add(2 * BLOCK))];
        let none = [_mm512_setzero_si512(); PARTS];
        let start = block * BLOCK;
        if row.stride == 1 {
            let mut before = add(none, words(row, start), first);
            let next = words(row, start + row.column);
            before = add(before, next, second);
            let mut last = add(none, next, first);
            for pixel in 0..row.pixels {
                let next = words(row, start + (pixel + 2) * row.column);
                finish(row, block, pixel, add(before, next, third));
                before = add(last, next, second);
                last = add(none, next, first);
            }
            return;
        }
        let mut next = words(row, start);
        for pixel in 0..row.pixels {
            let sums = add(none, next, first);
            let at = start + 2 * pixel * row.column;
            let sums = add(sums, words(row, at + row.column), second);
            next = words(row, at + 2 * row.column);
            finish(row, block, pixel, add(sums, next, third));
        }
    }
}

/// Brings a block of sums to the scale of the output, and stores it.
#[inline(always)]
unsafe fn finish(row: &Row<'_>, block: usize, pixel: usize, sums: [__m512i; PARTS]) {
    unsafe {
        let (scale, shift) =
            (row.of.scale.as_ptr().add(block * BLOCK), row.of.shift.as_ptr().add(block * BLOCK));
        let (low, high) = (_mm512_set1_ps(row.bounds.0), _mm512_set1_ps(row.bounds.1));
        let mut out = sums;
        for part in 0..PARTS {
            let value = _mm512_cvtepi32_ps(sums[part]);
            let value = _mm512_mul_ps(value, _mm512_loadu_ps(scale.add(part * LANES)));
            let value = _mm512_add_ps(value, _mm512_loadu_ps(shift.add(part * LANES)));
            out[part] = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(value, low), high));
        }
        let low = _mm512_packs_epi32(out[0], out[1]);
        let bytes = _mm512_packus_epi16(low, _mm512_packs_epi32(out[2], out[3]));
        let to = row.to.add(pixel * row.channels + block * BLOCK);
        let left = row.channels - block * BLOCK;
        if left >= BLOCK {
            _mm512_storeu_si512(to.cast(), bytes);
        } else {
            let mut all = [0_u8; BLOCK];
            _mm512_storeu_si512(all.as_mut_ptr().cast(), bytes);
            to.copy_from_nonoverlapping(all.as_ptr(), left);
        }
    }
}
