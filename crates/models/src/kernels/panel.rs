//! The innermost product: a few pixels times up to 32 output channels, with the sums in registers.

use super::lanes::{Lanes, dispatch};

/// Output channels of a panel of packed weights.
pub(super) const PANEL: usize = 32;

/// Largest number of pixels in a tile. With AVX-512, their sums are in 28 registers, next to two for weights
/// and one for a pixel. Other sets have too few registers for that many and divide the pixels.
pub(super) const MOST: usize = 14;

/// Pixels whose sums are in registers at a time if a register has fewer than 16 floats: with AVX2, 6 pixels ×
/// 16 channels are 12 registers, next to two for weights and one for a pixel.
const NARROW: usize = 6;

/// Floats between two terms of packed pixels: those of a register.
pub(super) const TILE: usize = 16;

/// The work of a tile. For each segment s, pixel p reads `run` floats at `from + p·step + s`, multiplies
/// them by the panel's weights `[segments·run][32]` and adds them up. Packed pixels are `[run][TILE]` at
/// `from`.
pub(super) struct Tile<'a> {
    pub(super) from: *const f32,
    pub(super) step: usize,
    pub(super) packed: bool,
    /// Starts of the runs, in floats from the start of a pixel.
    pub(super) segments: &'a [usize],
    pub(super) run: usize,
    pub(super) weights: *const f32,
    /// 32 floats.
    pub(super) bias: *const f32,
    /// Values added to the result, for pixel p at `residual + p·residual_pitch`; null if there are none.
    pub(super) residual: *const f32,
    pub(super) residual_pitch: usize,
    /// The result of pixel p is stored at `to + p·pitch`.
    pub(super) to: *mut f32,
    pub(super) pitch: usize,
    /// Number of channels of this panel, 1 to 32.
    pub(super) channels: usize,
    /// Results are limited to this range.
    pub(super) bounds: (f32, f32),
    pub(super) ahead: Ahead,
}

/// Weights that are prefetched while a tile is computed. Without this, the first tile of the next panel would
/// wait for the memory at every cache line of its weights.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    from: *const f32,
    /// Floats to prefetch per [`UNROLL`] terms.
    step: usize,
}

impl Ahead {
    pub(super) const NOTHING: Self = Self { from: std::ptr::null(), step: 0 };

    /// The part of `weights` that tile `index` of `tiles` prefetches; each tile has `terms` terms.
    pub(super) fn of(weights: &[f32], index: usize, tiles: usize, terms: usize) -> Self {
        let part = weights.len().div_ceil(tiles.max(1));
        let Some(weights) = weights.get(index * part..) else { return Self::NOTHING };
        Self { from: weights.as_ptr(), step: part.div_ceil((terms / UNROLL).max(1)) }
    }
}

/// Number of terms in the unrolled loop.
const UNROLL: usize = 4;

/// Computes `R` pixels × `W` registers of channels, from pixel `pixel` and channel `first` on.
#[inline(always)]
unsafe fn product<V: Lanes, const R: usize, const W: usize, const PACKED: bool>(
    tile: &Tile<'_>,
    pixel: usize,
    first: usize,
) {
    let (step, along) = if PACKED { (1, TILE) } else { (tile.step, 1) };
    // SAFETY: the caller's pointers are valid as documented at `Tile`.
    unsafe {
        let mut sums = [[V::splat(0.0); W]; R];
        for w in 0..W {
            let bias = V::load(tile.bias.add(first + w * V::WIDTH));
            for r in 0..R {
                sums[r][w] = bias;
            }
        }
        let from = tile.from.add(pixel * step);
        let mut weights = tile.weights.add(first);
        let mut ahead = tile.ahead.from;
        for segment in tile.segments {
            let mut at = from.add(*segment);
            for _ in 0..tile.run / UNROLL {
                for term in 0..UNROLL {
                    add_term::<V, R, W>(
                        &mut sums,
                        at.add(term * along),
                        step,
                        weights.add(term * PANEL),
                    );
                }
                V::prefetch(ahead);
                ahead = ahead.wrapping_add(tile.ahead.step);
                weights = weights.add(UNROLL * PANEL);
                at = at.add(UNROLL * along);
            }
            for _ in 0..tile.run % UNROLL {
                add_term::<V, R, W>(&mut sums, at, step, weights);
                weights = weights.add(PANEL);
                at = at.add(along);
            }
        }
        let (low, high) = (V::splat(tile.bounds.0), V::splat(tile.bounds.1));
        if first + W * V::WIDTH <= tile.channels {
            let to = tile.to.add(pixel * tile.pitch + first);
            if !tile.residual.is_null() {
                let residual = tile.residual.add(pixel * tile.residual_pitch + first);
                for r in 0..R {
                    for w in 0..W {
                        let kept = V::load(residual.add(r * tile.residual_pitch + w * V::WIDTH));
                        sums[r][w] = sums[r][w].add(kept);
                    }
                }
            }
            for r in 0..R {
                for w in 0..W {
                    // With this order of arguments, NaN stays NaN.
                    let sum = high.min(low.max(sums[r][w]));
                    sum.store(to.add(r * tile.pitch + w * V::WIDTH));
                }
            }
            return;
        }
        // Store all sums first. If the loops below indexed `sums`, the compiler would keep them in memory
        // during the product, too.
        let mut results = [[[0.0_f32; 16]; W]; R];
        for r in 0..R {
            for w in 0..W {
                sums[r][w].store(results[r][w].as_mut_ptr());
            }
        }
        for (r, results) in results.iter().enumerate() {
            for (w, result) in results.iter().enumerate() {
                let channel = first + w * V::WIDTH;
                if channel >= tile.channels {
                    continue;
                }
                let mut sum = V::load(result.as_ptr());
                let valid = (tile.channels - channel).min(V::WIDTH);
                if !tile.residual.is_null() {
                    let residual = tile.residual.add((pixel + r) * tile.residual_pitch + channel);
                    let kept = if valid == V::WIDTH {
                        V::load(residual)
                    } else {
                        let mut kept = [0.0; 16];
                        residual.copy_to_nonoverlapping(kept.as_mut_ptr(), valid);
                        V::load(kept.as_ptr())
                    };
                    sum = sum.add(kept);
                }
                sum = high.min(low.max(sum));
                let to = tile.to.add((pixel + r) * tile.pitch + channel);
                if valid == V::WIDTH {
                    sum.store(to);
                } else {
                    let mut sums = [0.0; 16];
                    sum.store(sums.as_mut_ptr());
                    sums.as_ptr().copy_to_nonoverlapping(to, valid);
                }
            }
        }
    }
}

/// Adds one term to each sum: a float of each pixel times its weights.
#[inline(always)]
unsafe fn add_term<V: Lanes, const R: usize, const W: usize>(
    sums: &mut [[V; W]; R],
    at: *const f32,
    step: usize,
    weights: *const f32,
) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut factors = [V::splat(0.0); W];
        for w in 0..W {
            factors[w] = V::load(weights.add(w * V::WIDTH));
        }
        for r in 0..R {
            let value = V::splat(*at.add(r * step));
            for w in 0..W {
                sums[r][w] = value.mul_add(factors[w], sums[r][w]);
            }
        }
    }
}

/// Computes all pixels of a tile, with as many registers as the processor has.
#[inline(always)]
unsafe fn pixels<V: Lanes, const PACKED: bool>(tile: &Tile<'_>, count: usize) {
    macro_rules! by_count {
        ($all:expr, $pixel:expr, $first:expr, $wide:literal: $($count:literal)*) => {
            match $all {
                // SAFETY: the caller's contract; the pixels are inside the tile.
                $($count => unsafe { product::<V, $count, $wide, PACKED>(tile, $pixel, $first) },)*
                all => unreachable!("a tile has 1 to {MOST} pixels, not {all}"),
            }
        };
    }
    if V::WIDTH == 16 {
        if tile.channels > 16 {
            by_count!(count, 0, 0, 2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        } else {
            by_count!(count, 0, 0, 1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        }
        return;
    }
    let mut pixel = 0;
    for parts in (1..=count.div_ceil(NARROW)).rev() {
        // Divide evenly, because sums in few registers would wait for each other.
        let count = (count - pixel).div_ceil(parts);
        if count <= FEW || (V::WIDTH == 4 && V::REGISTERS == 32) {
            for first in (0..tile.channels).step_by(4 * V::WIDTH) {
                by_count!(count, pixel, first, 4: 1 2 3 4 5 6);
            }
        } else {
            for first in (0..tile.channels).step_by(2 * V::WIDTH) {
                by_count!(count, pixel, first, 2: 1 2 3 4 5 6);
            }
        }
        pixel += count;
    }
}

/// Pixels up to which four registers of channels fit, if a register has fewer than 16 floats.
const FEW: usize = 3;

dispatch! {
    /// Computes the pixels of a tile, 1 to [`MOST`].
    ///
    /// # Safety
    ///
    /// The pointers of [`Tile`] are valid for each of these pixels.
    fn compute<V>(tile: &Tile<'_>, count: usize) {
        // SAFETY: the caller's contract.
        unsafe {
            if tile.packed { pixels::<V, true>(tile, count) } else { pixels::<V, false>(tile, count) }
        }
    }
}
