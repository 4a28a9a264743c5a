//! Sides of a product in the order in which its tiles read them.

use rayon::prelude::*;

use super::{
    lanes::dispatch,
    panel::{MOST, PANEL, TILE},
    product::Matrix,
};

/// Packs `[rows][k]` as `[tiles][k][TILE]`, rows of a tile side by side.
pub(super) fn pack_left(from: Matrix<'_>, rows: usize, k: usize, to: &mut Vec<f32>) {
    to.resize(rows.div_ceil(MOST) * k * TILE, 0.0);
    to.par_chunks_mut((k * TILE).max(1)).enumerate().for_each(|(tile, to)| {
        let start = tile * MOST;
        side_by_side::<TILE>(from, start..rows.min(start + MOST), to);
    });
}

/// Packs so many rows of floats, `step` apart, as `[terms][TILE]`.
///
/// # Safety
///
/// `terms` floats of each of the `rows`, at most [`TILE`], can be read; `to` holds `terms · TILE`.
pub(super) unsafe fn pack_tile(
    from: *const f32,
    step: usize,
    rows: usize,
    terms: usize,
    to: &mut [f32],
) {
    let whole = terms / 16 * 16;
    for first in (0..whole).step_by(16) {
        let to = to[first * TILE..][..16 * TILE].as_mut_ptr();
        // SAFETY: the caller's.
        unsafe { turn(from.add(first), step, rows, to, TILE, 16) };
    }
    for row in 0..rows {
        for term in whole..terms {
            // SAFETY: the caller's.
            to[term * TILE + row] = unsafe { *from.add(row * step + term) };
        }
    }
}

/// Packs the right side `[k][columns]` as `[panels][k][PANEL]`.
pub(super) fn pack_right(from: Matrix<'_>, k: usize, columns: usize, to: &mut Vec<f32>) {
    to.resize(columns.div_ceil(PANEL) * k * PANEL, 0.0);
    to.par_chunks_mut((k * PANEL).max(1)).enumerate().for_each(|(panel, to)| {
        let start = panel * PANEL;
        side_by_side::<PANEL>(from.transposed(), start..columns.min(start + PANEL), to);
    });
}

/// Rows of a matrix as `[terms][W]`; lanes without a row keep what they had, and are never read into
/// a result.
fn side_by_side<const W: usize>(from: Matrix<'_>, rows: std::ops::Range<usize>, to: &mut [f32]) {
    let (start, count) = (rows.start, rows.len());
    let terms = to.len() / W;
    if from.row == 1 {
        for (term, to) in to.as_chunks_mut::<W>().0.iter_mut().enumerate() {
            let from = &from.values[term * from.column + start..][..count];
            to[..count].copy_from_slice(from);
        }
        return;
    }
    let mut first = 0;
    while first < terms {
        let left = (terms - first).min(16);
        for group in (0..count).step_by(16) {
            let rows = (count - group).min(16);
            let at = (start + group) * from.row + first * from.column;
            let to = &mut to[first * W + group..];
            if from.column == 1 && left == 16 {
                // SAFETY: 16 terms of each of these rows, and 16 lanes of 16 terms, exist.
                unsafe {
                    turn(from.values[at..].as_ptr(), from.row, rows, to.as_mut_ptr(), W, 16);
                }
                continue;
            }
            for row in 0..rows {
                for term in 0..left {
                    to[term * W + row] = from.values[at + row * from.row + term * from.column];
                }
            }
        }
        first += left;
    }
}

/// Packs the transposed of a matrix that is packed as `[panels of columns][rows][PANEL]`: the right
/// side `[columns][rows]` as `[panels of rows][columns][PANEL]`.
pub(super) fn pack_turned(from: &[f32], rows: usize, columns: usize, to: &mut Vec<f32>) {
    to.resize(rows.div_ceil(PANEL) * columns * PANEL, 0.0);
    to.par_chunks_mut((columns * PANEL).max(1)).enumerate().for_each(|(panel, to)| {
        let first = panel * PANEL;
        for (block, to) in to.chunks_mut(PANEL * PANEL).enumerate() {
            let from = &from[(block * rows + first) * PANEL..];
            for row in (0..PANEL.min(rows - first)).step_by(16) {
                let count = (rows - first - row).min(16);
                for column in (0..to.len() / PANEL).step_by(16) {
                    let columns = (to.len() / PANEL - column).min(16);
                    // SAFETY: so many rows of 32 lie there, and so many terms are to be written.
                    unsafe {
                        turn(
                            from[row * PANEL + column..].as_ptr(),
                            PANEL,
                            count,
                            to[column * PANEL + row..].as_mut_ptr(),
                            PANEL,
                            columns,
                        );
                    }
                }
            }
        }
    });
}

dispatch! {
    /// Turns up to 16 rows of 16 floats into up to 16 rows of 16 floats; those that are missing are
    /// written as zeros.
    ///
    /// # Safety
    ///
    /// `count` rows of 16 floats lie `from_pitch` apart at `from`; `terms` rows of 16 floats may be
    /// written `to_pitch` apart at `to`.
    fn turn<V>(
        from: *const f32, from_pitch: usize, count: usize, to: *mut f32, to_pitch: usize,
        terms: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            let mut rows = [V::splat(0.0); 16];
            for (row, value) in rows.iter_mut().enumerate().take(count) {
                *value = V::load(from.add(row * from_pitch));
            }
            let turned = V::turned(rows);
            for (term, value) in turned.iter().enumerate().take(terms) {
                value.store(to.add(term * to_pitch));
            }
        }
    }
}
