//! The innermost product: a few pixels of a row × 32 output channels, held in registers.

use super::lanes::{Lanes, dispatch};

/// Output channels of a panel of packed weights.
pub(super) const PANEL: usize = 32;

/// Most pixels of a tile: 28 registers of sums, two of weights, one of a pixel.
pub(super) const MOST: usize = 14;

/// Floats between two terms of packed pixels: a register's.
pub(super) const TILE: usize = 16;

/// A tile's work. Pixel p reads `run` floats at `from + p·step + s` for each segment s and sums them
/// times the panel's weights `[segments·run][32]`. Or the pixels are packed: `[run][TILE]` at `from`.
pub(super) struct Tile<'a> {
    pub(super) from: *const f32,
    pub(super) step: usize,
    pub(super) packed: bool,
    /// Where the runs begin, in floats from a pixel's first.
    pub(super) segments: &'a [usize],
    pub(super) run: usize,
    pub(super) weights: *const f32,
    /// 32 floats.
    pub(super) bias: *const f32,
    /// Added to the result: pixel p at `residual + p·residual_pitch`; may be null.
    pub(super) residual: *const f32,
    pub(super) residual_pitch: usize,
    /// Pixel p goes to `to + p·pitch`.
    pub(super) to: *mut f32,
    pub(super) pitch: usize,
    /// Channels of this panel that there are, 1 to 32.
    pub(super) channels: usize,
    /// Results are kept within.
    pub(super) bounds: (f32, f32),
    pub(super) ahead: Ahead,
}

/// Weights that are fetched while a tile is computed. Those of the next panel come from far away,
/// and the first tile of that panel would wait for every line of them.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    from: *const f32,
    /// Floats for every [`UNROLL`] terms.
    step: usize,
}

impl Ahead {
    pub(super) const NOTHING: Self = Self { from: std::ptr::null(), step: 0 };

    /// The part of `weights` that is the turn of tile `index` of so many, each of that many terms.
    pub(super) fn of(weights: &[f32], index: usize, tiles: usize, terms: usize) -> Self {
        let part = weights.len().div_ceil(tiles.max(1));
        let Some(weights) = weights.get(index * part..) else { return Self::NOTHING };
        Self { from: weights.as_ptr(), step: part.div_ceil((terms / UNROLL).max(1)) }
    }
}

/// Terms that are added between two steps of the pointers.
const UNROLL: usize = 4;

/// `R` pixels × `W` registers of channels, from channel `first` of the panel on.
#[inline(always)]
unsafe fn product<V: Lanes, const R: usize, const W: usize, const PACKED: bool>(
    tile: &Tile<'_>,
    pixel: usize,
    first: usize,
) {
    let (step, along) = if PACKED { (1, TILE) } else { (tile.step, 1) };
    // SAFETY: the caller's pointers hold what `Tile` says.
    unsafe {
        let mut sums = [[V::splat(0.0); W]; R];
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
        // Through memory once: a loop that indexes the sums would keep them there all along.
        let mut results = [[[0.0_f32; 16]; W]; R];
        for r in 0..R {
            for w in 0..W {
                sums[r][w].store(results[r][w].as_mut_ptr());
            }
        }
        let (low, high) = (V::splat(tile.bounds.0), V::splat(tile.bounds.1));
        for (r, results) in results.iter().enumerate() {
            for (w, result) in results.iter().enumerate() {
                let channel = first + w * 16;
                if channel >= tile.channels {
                    continue;
                }
                let mut sum = V::load(result.as_ptr()).add(V::load(tile.bias.add(channel)));
                let valid = (tile.channels - channel).min(16);
                if !tile.residual.is_null() {
                    let residual = tile.residual.add((pixel + r) * tile.residual_pitch + channel);
                    let kept = if valid == 16 {
                        V::load(residual)
                    } else {
                        let mut kept = [0.0; 16];
                        residual.copy_to_nonoverlapping(kept.as_mut_ptr(), valid);
                        V::load(kept.as_ptr())
                    };
                    sum = sum.add(kept);
                }
                // The order of arguments lets a NaN through.
                sum = high.min(low.max(sum));
                let to = tile.to.add((pixel + r) * tile.pitch + channel);
                if valid == 16 {
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

/// Adds one float of each pixel times its weights.
#[inline(always)]
unsafe fn add_term<V: Lanes, const R: usize, const W: usize>(
    sums: &mut [[V; W]; R],
    at: *const f32,
    step: usize,
    weights: *const f32,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut factors = [V::splat(0.0); W];
        for w in 0..W {
            factors[w] = V::load(weights.add(w * 16));
        }
        for r in 0..R {
            let value = V::splat(*at.add(r * step));
            for w in 0..W {
                sums[r][w] = value.mul_add(factors[w], sums[r][w]);
            }
        }
    }
}

/// All pixels of a tile by products of as many registers as the processor has.
#[inline(always)]
unsafe fn pixels<V: Lanes, const PACKED: bool>(tile: &Tile<'_>, count: usize) {
    macro_rules! by_count {
        ($wide:literal: $($count:literal)*) => {
            match count {
                // SAFETY: the caller's.
                $($count => unsafe { product::<V, $count, $wide, PACKED>(tile, 0, 0) },)*
                _ => unreachable!("a tile has 1 to {MOST} pixels, not {count}"),
            }
        };
    }
    if V::WIDE {
        if tile.channels > 16 {
            by_count!(2: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        } else {
            by_count!(1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
        }
        return;
    }
    for first in (0..tile.channels).step_by(16) {
        let mut pixel = 0;
        while pixel < count {
            // SAFETY: the caller's; the pixels are the tile's.
            pixel += unsafe {
                match count - pixel {
                    1 => (product::<V, 1, 1, PACKED>(tile, pixel, first), 1).1,
                    2 => (product::<V, 2, 1, PACKED>(tile, pixel, first), 2).1,
                    3 => (product::<V, 3, 1, PACKED>(tile, pixel, first), 3).1,
                    _ => (product::<V, 4, 1, PACKED>(tile, pixel, first), 4).1,
                }
            };
        }
    }
}

dispatch! {
    /// The tile's pixels, 1 to [`MOST`] of them.
    ///
    /// # Safety
    ///
    /// What [`Tile`] says holds for each of them.
    fn compute<V>(tile: &Tile<'_>, count: usize) {
        // SAFETY: the caller's.
        unsafe {
            if tile.packed { pixels::<V, true>(tile, count) } else { pixels::<V, false>(tile, count) }
        }
    }
}
