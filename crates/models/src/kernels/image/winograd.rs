//! 3×3 convolutions with stride 1 by Winograd's minimal filtering: F(4×4, 3×3) of Lavin and Gray 2015,
//! "Fast Algorithms for Convolutional Neural Networks".
//!
//! A tile of 4×4 pixels of the output depends on 6×6 pixels of the input. Both are transformed to 36 positions,
//! at which the convolution is a product over channels, so that a tile takes 36 multiplications instead of 144.
//! The transforms interpolate at the points 0, ±1/√2, ±√2 and ∞. With them, the rounding error is about twice
//! that of direct sums; with the usual 0, ±1, ±2 and ∞ it is five times as large.
//! A pixel that is not finite affects all pixels of its tiles.

use std::{cell::RefCell, ops::Range};

use rayon::prelude::*;

use super::{
    Conv, ConvShape, View,
    conv::UNBOUNDED,
    filters::{INNER, OUTER, POSITIONS, SIDE, WIDE},
};
use crate::kernels::{
    Parts,
    lanes::{Lanes, dispatch},
    panel::{Ahead, MOST, PANEL, Tile, compute},
};

/// Floats of transformed pixels that a task works on at a time.
const NEAR: usize = 160 * 1024;
/// Tiles of a group at least, if there are as many: every group reads all weights.
const LEAST: usize = 8 * MOST;
/// Floats between transformed tiles, besides the channels: addresses whose distance is a power of two would
/// compete for the same lines of the first-level cache.
const GAP: usize = 16;

thread_local! {
    /// A task's transformed pixels.
    static PIXELS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    /// A task's products.
    static PRODUCTS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// The tiles of a batch: their numbers run over images, rows and columns.
#[derive(Clone, Copy)]
struct Tiles {
    /// Tiles of an image, down and across.
    down: usize,
    across: usize,
    /// Rows and columns of the output.
    rows: usize,
    columns: usize,
}

impl Tiles {
    /// The image of a tile and its first row and column.
    fn place(&self, tile: usize) -> (usize, usize, usize) {
        let each = self.down * self.across;
        let (image, tile) = (tile / each, tile % each);
        (image, tile / self.across * SIDE, tile % self.across * SIDE)
    }
}

/// Transformed pixels `[36][count][pitch]` of some tiles.
#[derive(Clone, Copy)]
struct Transformed {
    from: *const f32,
    /// Number of the first tile.
    first: usize,
    count: usize,
    pitch: usize,
}

// SAFETY: tasks only read through the pointer.
unsafe impl Send for Transformed {}
// SAFETY: as above.
unsafe impl Sync for Transformed {}

impl Conv {
    /// Computes the convolution of all images; shapes are checked. `parts` has room for the output.
    pub(super) fn by_tiles(
        &self,
        x: View<'_>,
        (rows, columns): (usize, usize),
        weights: &[f32],
        residual: Option<View<'_>>,
        parts: Parts,
    ) {
        let input = self.shape.input;
        let tiles =
            Tiles { down: rows.div_ceil(SIDE), across: columns.div_ceil(SIDE), rows, columns };
        let all = x.n * tiles.down * tiles.across;
        let panels = self.bias.len() / PANEL;
        let pitch = input + GAP;
        let threads = rayon::current_num_threads();
        let most = (NEAR / (POSITIONS * pitch)).max(LEAST).next_multiple_of(MOST);
        let blocks = all.div_ceil(most);
        let zeros = vec![0.0_f32; input];
        let multiply = |pixels: Transformed, range: Range<usize>, panel: usize| {
            // SAFETY: the pixels are transformed; no other task has the same tiles and panel.
            unsafe { self.multiply(pixels, range, panel, tiles, weights, residual, parts) };
        };
        if blocks >= 2 * threads {
            let each = all.div_ceil(blocks.next_multiple_of(threads));
            (0..all.div_ceil(each)).into_par_iter().for_each(|block| {
                let range = block * each..all.min((block + 1) * each);
                PIXELS.with_borrow_mut(|buffer| {
                    buffer.resize(POSITIONS * each * pitch, 0.0);
                    let count = range.len();
                    for (index, tile) in range.clone().enumerate() {
                        let to = Parts(buffer[index * pitch..].as_mut_ptr());
                        self.transform(x, tiles, tile, &zeros, to, count * pitch);
                    }
                    let first = range.start;
                    let pixels = Transformed { from: buffer.as_ptr(), first, count, pitch };
                    (0..panels).for_each(|panel| multiply(pixels, range.clone(), panel));
                });
            });
            return;
        }
        // There are too few tiles for all threads, so that tasks share them and divide the panels.
        let mut buffer: Vec<f32> = Vec::with_capacity(POSITIONS * all * pitch);
        let to = Parts(buffer.as_mut_ptr());
        (0..all).into_par_iter().for_each(|tile| {
            // SAFETY: the buffer has `pitch` floats for each tile at each position.
            let to = Parts(unsafe { to.at(tile * pitch) });
            self.transform(x, tiles, tile, &zeros, to, all * pitch);
        });
        let pixels = Transformed { from: buffer.as_ptr(), first: 0, count: all, pitch };
        let blocks = blocks.max(threads.div_ceil(panels.max(1))).min(all.div_ceil(SIDE));
        let each = all.div_ceil(blocks.max(1));
        (0..blocks * panels).into_par_iter().for_each(|task| {
            let (block, panel) = (task / panels, task % panels);
            multiply(pixels, (block * each).min(all)..all.min((block + 1) * each), panel);
        });
    }

    /// Transforms the pixels of a tile. `to` has room for `input` floats at each position, `stride` floats
    /// apart.
    fn transform(
        &self,
        x: View<'_>,
        tiles: Tiles,
        tile: usize,
        zeros: &[f32],
        to: Parts,
        stride: usize,
    ) {
        let [top, left] = self.shape.padding;
        let (image, row, column) = tiles.place(tile);
        let mut from = [zeros.as_ptr(); POSITIONS];
        for (position, from) in from.iter_mut().enumerate() {
            let y = (row + position / WIDE).checked_sub(top).filter(|y| *y < x.h);
            let x_at = (column + position % WIDE).checked_sub(left).filter(|at| *at < x.w);
            if let (Some(y), Some(at)) = (y, x_at) {
                *from = x.pixel((image * x.h + y) * x.w + at).as_ptr();
            }
        }
        // SAFETY: each pixel has `input` channels; the rest is the caller's contract.
        unsafe { to_positions(&from, x.c, to.at(0), stride) };
    }

    /// Computes the channels of a panel for a range of tiles.
    ///
    /// # Safety
    ///
    /// The tiles are among the transformed ones, and nothing else writes these channels of their pixels.
    unsafe fn multiply(
        &self,
        pixels: Transformed,
        range: Range<usize>,
        panel: usize,
        tiles: Tiles,
        weights: &[f32],
        residual: Option<View<'_>>,
        parts: Parts,
    ) {
        let ConvShape { input, output, .. } = self.shape;
        let size = input * PANEL;
        let weights = &weights[panel * POSITIONS * size..][..POSITIONS * size];
        let channel = panel * PANEL;
        let channels = (output - channel).min(PANEL);
        let zeros = [0.0_f32; PANEL];
        let count = range.len();
        PRODUCTS.with_borrow_mut(|products| {
            products.resize(POSITIONS * count * PANEL, 0.0);
            for position in 0..POSITIONS {
                let next = weights[(position + 1) * size..].get(..size).unwrap_or_default();
                let groups = count.div_ceil(MOST);
                let mut done = 0;
                for left in (1..=groups).rev() {
                    let some = (count - done).div_ceil(left);
                    let tile = position * pixels.count + range.start - pixels.first + done;
                    let tile = Tile {
                        // SAFETY: the caller's contract.
                        from: unsafe { pixels.from.add(tile * pixels.pitch) },
                        step: pixels.pitch,
                        packed: false,
                        segments: &[0],
                        run: input,
                        weights: weights[position * size..].as_ptr(),
                        bias: zeros.as_ptr(),
                        residual: std::ptr::null(),
                        residual_pitch: 0,
                        to: products[(position * count + done) * PANEL..].as_mut_ptr(),
                        pitch: PANEL,
                        channels,
                        bounds: UNBOUNDED,
                        ahead: Ahead::of(next, groups - left, groups, input),
                    };
                    // SAFETY: the tiles are transformed, and their products have a place.
                    unsafe { compute(&tile, some) };
                    done += some;
                }
            }
            let bounds = self.activation.bounds();
            for (index, tile) in range.enumerate() {
                let (image, row, column) = tiles.place(tile);
                let mut to = [std::ptr::null_mut(); SIDE * SIDE];
                let mut added = [std::ptr::null(); SIDE * SIDE];
                for place in 0..SIDE * SIDE {
                    let (y, x) = (row + place / SIDE, column + place % SIDE);
                    if y < tiles.rows && x < tiles.columns {
                        let pixel = (image * tiles.rows + y) * tiles.columns + x;
                        // SAFETY: the output has `output` floats for each pixel.
                        to[place] = unsafe { parts.at(pixel * output + channel) };
                        if let Some(view) = residual {
                            added[place] = view.pixel(pixel)[channel..].as_ptr();
                        }
                    }
                }
                // SAFETY: the products of the tile are computed, and its pixels have these channels.
                unsafe {
                    from_positions(
                        products[index * PANEL..].as_ptr(),
                        count * PANEL,
                        channels,
                        self.bias[channel..].as_ptr(),
                        &added,
                        &to,
                        bounds.unwrap_or(UNBOUNDED),
                    );
                }
                if bounds.is_none() {
                    for to in to.into_iter().filter(|to| !to.is_null()) {
                        // SAFETY: just written; no other task accesses these channels.
                        let values = unsafe { std::slice::from_raw_parts_mut(to, channels) };
                        self.activation.apply(values);
                    }
                }
            }
        });
    }
}

/// The transform of six values: the products of the polynomials whose roots are all points but one.
#[inline(always)]
unsafe fn forward<V: Lanes>(d: [V; WIDE]) -> [V; WIDE] {
    let (a, b) = (INNER, OUTER);
    // SAFETY: the caller's contract.
    unsafe {
        let both = V::splat(-(a * a + b * b));
        let product = V::splat(a * a * b * b);
        // The parts of even and of odd degree, which the points p and −p share.
        let inner_even = d[2].mul_add(V::splat(-b * b), d[4]);
        let inner_odd = d[1].mul_add(V::splat(-b * b), d[3]).mul(V::splat(a));
        let outer_even = d[2].mul_add(V::splat(-a * a), d[4]);
        let outer_odd = d[1].mul_add(V::splat(-a * a), d[3]).mul(V::splat(b));
        let minus = V::splat(-1.0);
        [
            d[0].mul_add(product, d[2].mul_add(both, d[4])),
            inner_even.add(inner_odd),
            inner_odd.mul_add(minus, inner_even),
            outer_even.add(outer_odd),
            outer_odd.mul_add(minus, outer_even),
            d[1].mul_add(product, d[3].mul_add(both, d[5])),
        ]
    }
}

/// The inverse transform of six positions to four values: a polynomial's coefficients from its values.
#[inline(always)]
unsafe fn backward<V: Lanes>(m: [V; WIDE]) -> [V; SIDE] {
    let (a, b) = (INNER, OUTER);
    // SAFETY: the caller's contract.
    unsafe {
        let minus = V::splat(-1.0);
        let (inner, outer) = (m[1].add(m[2]), m[3].add(m[4]));
        let (inner_odd, outer_odd) = (m[2].mul_add(minus, m[1]), m[4].mul_add(minus, m[3]));
        [
            m[0].add(inner).add(outer),
            inner_odd.mul_add(V::splat(a), outer_odd.mul(V::splat(b))),
            inner.mul_add(V::splat(a * a), outer.mul(V::splat(b * b))),
            inner_odd.mul_add(V::splat(a * a * a), outer_odd.mul_add(V::splat(b * b * b), m[5])),
        ]
    }
}

dispatch! {
    /// Transforms 6×6 pixels, whose addresses are given, to 36 positions.
    ///
    /// # Safety
    ///
    /// `channels` is a multiple of 16. Each pixel has that many floats, and so has each position in `to`;
    /// positions are `stride` floats apart.
    fn to_positions<V>(
        from: &[*const f32; POSITIONS], channels: usize, to: *mut f32, stride: usize,
    ) {
        for channel in (0..channels).step_by(V::WIDTH) {
            // SAFETY: the caller's contract.
            unsafe {
                let zero = V::splat(0.0);
                let mut half = [[zero; WIDE]; WIDE];
                for column in 0..WIDE {
                    let mut values = [zero; WIDE];
                    for row in 0..WIDE {
                        values[row] = V::load(from[row * WIDE + column].add(channel));
                    }
                    let values = forward(values);
                    for row in 0..WIDE {
                        half[row][column] = values[row];
                    }
                }
                for row in 0..WIDE {
                    let values = forward(half[row]);
                    for column in 0..WIDE {
                        values[column].store(to.add((row * WIDE + column) * stride + channel));
                    }
                }
            }
        }
    }
}

dispatch! {
    /// Transforms 36 positions to 4×4 pixels, adds the bias and the values at `added`, limits the sums to
    /// `bounds` and stores them at `to`. Pixels whose address is null are left out.
    ///
    /// # Safety
    ///
    /// `channels` is a multiple of 16. Each position, the bias and each pixel have that many floats; positions
    /// are `stride` floats apart.
    fn from_positions<V>(
        from: *const f32, stride: usize, channels: usize, bias: *const f32,
        added: &[*const f32; SIDE * SIDE], to: &[*mut f32; SIDE * SIDE], bounds: (f32, f32),
    ) {
        for channel in (0..channels).step_by(V::WIDTH) {
            // SAFETY: the caller's contract.
            unsafe {
                let zero = V::splat(0.0);
                let mut half = [[zero; WIDE]; SIDE];
                for column in 0..WIDE {
                    let mut values = [zero; WIDE];
                    for row in 0..WIDE {
                        values[row] = V::load(from.add((row * WIDE + column) * stride + channel));
                    }
                    let values = backward(values);
                    for row in 0..SIDE {
                        half[row][column] = values[row];
                    }
                }
                let (low, high) = (V::splat(bounds.0), V::splat(bounds.1));
                let bias = V::load(bias.add(channel));
                for row in 0..SIDE {
                    let values = backward(half[row]);
                    for column in 0..SIDE {
                        let place = row * SIDE + column;
                        if to[place].is_null() {
                            continue;
                        }
                        let mut sum = values[column].add(bias);
                        if !added[place].is_null() {
                            sum = sum.add(V::load(added[place].add(channel)));
                        }
                        // With this order of arguments, NaN stays NaN.
                        high.min(low.max(sum)).store(to[place].add(channel));
                    }
                }
            }
        }
    }
}
