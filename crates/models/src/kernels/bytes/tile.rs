//! The products of some adjacent pixels with some panels of 16 output channels.

use std::mem::MaybeUninit;

use super::words::{Floats, LANES, Words, by_set};

/// The operands of a tile. Offsets of the image are in bytes.
pub(super) struct ByteTile<'a> {
    /// The window of pixel p begins at `from + p·step`.
    pub(super) from: *const u8,
    pub(super) step: usize,
    /// Where the contiguous parts of a window begin.
    pub(super) segments: &'a [usize],
    /// Words of each part.
    pub(super) words: usize,
    /// The weights of the first panel, `[segments][words][16]`; those of the next one are `panel` words further.
    pub(super) weights: *const i32,
    pub(super) panel: usize,
    pub(super) output: ByteOutput,
}

/// Where the sums of adjacent pixels go, and how.
pub(super) struct ByteOutput {
    /// For each channel.
    pub(super) scale: *const f32,
    pub(super) shift: *const f32,
    /// The residual's bytes of the first pixel, or null; the pixels are `pitch` bytes apart.
    pub(super) residual: *const u8,
    pub(super) factor: f32,
    pub(super) bounds: (f32, f32),
    /// Where the first pixel's channels go; the pixels are `pitch` values apart.
    pub(super) to: Outputs,
    pub(super) pitch: usize,
    /// Number of channels, at most 16 for each panel.
    pub(super) channels: usize,
}

/// What a tile writes.
#[derive(Clone, Copy)]
pub(super) enum Outputs {
    Bytes(*mut u8),
    Numbers(*mut f32),
}

/// The most sums of a tile, in registers.
const MOST: usize = 28;

/// Sums the products of P pixels × Z panels, and stores the sums `[P][Z][16]`. They are stored once at the end, and not
/// used here, because the compiler keeps an array in registers only if all its indices are constants.
///
/// # Safety
///
/// The pointers of [`ByteTile`] are valid for each pixel and channel, and there is room for the sums.
#[inline(always)]
unsafe fn tile<V: Words, const P: usize, const Z: usize>(tile: &ByteTile<'_>, to: *mut i32) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [[V::zero(); Z]; P];
        let mut weights = tile.weights;
        let (step, panel, words) = (tile.step, tile.panel, tile.words);
        for segment in tile.segments {
            let mut from = tile.from.add(*segment);
            for _ in 0..words {
                let mut columns = [V::zero(); Z];
                for z in 0..Z {
                    columns[z] = V::load(weights.add(z * panel));
                }
                for p in 0..P {
                    let word = V::splat(from.add(p * step));
                    for z in 0..Z {
                        sums[p][z] = sums[p][z].add_products(word, columns[z]);
                    }
                }
                weights = weights.add(LANES);
                from = from.add(4);
            }
        }
        for p in 0..P {
            for z in 0..Z {
                sums[p][z].store(to.add((p * Z + z) * LANES));
            }
        }
    }
}

by_set! {
    /// Brings the sums `[pixels][panels][16]` to the scale of the output, and adds the residual.
    ///
    /// # Safety
    ///
    /// The pointers of [`ByteOutput`] are valid for each pixel and channel.
    fn finish<V>(output: &ByteOutput, sums: *const i32, pixels: usize, panels: usize) {
        // SAFETY: the caller's contract.
        unsafe { scaled::<V>(output, sums, pixels, panels) }
    }
}

/// As [`finish`], for a set.
///
/// # Safety
///
/// As for [`finish`].
#[inline(always)]
unsafe fn scaled<V: Words>(output: &ByteOutput, sums: *const i32, pixels: usize, panels: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let (low, high) = (V::Floats::splat(output.bounds.0), V::Floats::splat(output.bounds.1));
        let factor = V::Floats::splat(output.factor);
        for z in 0..panels {
            let channel = z * LANES;
            let lanes = LANES.min(output.channels - channel);
            let scale = V::Floats::load(output.scale.add(channel));
            let shift = V::Floats::load(output.shift.add(channel));
            for p in 0..pixels {
                let at = p * output.pitch + channel;
                let sum = V::load(sums.add((p * panels + z) * LANES));
                let mut value = sum.floats().mul(scale).add(shift);
                if !output.residual.is_null() {
                    let residual = V::load_bytes(output.residual.add(at)).floats();
                    value = value.add(residual.mul(factor));
                }
                let value = value.max(low).min(high);
                match output.to {
                    Outputs::Bytes(to) => value.store_bytes(to.add(at), lanes),
                    Outputs::Numbers(to) => value.store(to.add(at), lanes),
                }
            }
        }
    }
}

/// Calls [`tile`] with a number of pixels that is one of a list.
macro_rules! pixels {
    ($words:ident, $panels:literal, $tile:ident, $to:ident, $count:ident: $($p:literal)*) => {
        match $count {
            $($p => tile::<$words, $p, $panels>($tile, $to),)*
            _ => {}
        }
    };
}

by_set! {
    /// Computes `count` pixels and `panels` panels, which are sizes that [`Words::PIXELS`] allows.
    ///
    /// # Safety
    ///
    /// The pointers of [`ByteTile`] are valid for each pixel and channel.
    fn compute<V>(tile_of: &ByteTile<'_>, count: usize, panels: usize) {
        // SAFETY: the caller's contract. Sizes that the set does not have are left out.
        unsafe {
            let mut sums = MaybeUninit::<[i32; MOST * LANES]>::uninit();
            let to = sums.as_mut_ptr().cast::<i32>();
            match panels {
                1 if V::PIXELS[0] > 6 => {
                    pixels!(V, 1, tile_of, to, count: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
                1 if V::PIXELS[0] > 2 => pixels!(V, 1, tile_of, to, count: 1 2 3 4 5 6),
                1 => pixels!(V, 1, tile_of, to, count: 1 2),
                2 if V::PIXELS[1] > 0 => {
                    pixels!(V, 2, tile_of, to, count: 1 2 3 4 5 6 7 8 9 10 11 12 13 14);
                }
                4 if V::PIXELS[2] > 0 => pixels!(V, 4, tile_of, to, count: 1 2 3 4 5 6),
                _ => return,
            }
            scaled::<V>(&tile_of.output, to, count, panels);
        }
    }
}
