//! Packing the factors of a product into the order in which its tiles read them.

use rayon::prelude::*;

use super::{
    lanes::dispatch,
    matrix::Matrix,
    panel::{MOST, PANEL, TILE},
};

/// Packs the left factor `[rows][k]` as `[tiles][k][TILE]`, so that the rows of a tile are adjacent.
pub(super) fn pack_left(from: Matrix<'_>, rows: usize, k: usize, to: &mut Vec<f32>) {
    to.resize(rows.div_ceil(MOST) * k * TILE, 0.0);
    to.par_chunks_mut((k * TILE).max(1)).enumerate().for_each(|(tile, to)| {
        let start = tile * MOST;
        side_by_side::<TILE>(from, start..rows.min(start + MOST), to);
    });
}

/// Packs `rows` rows of floats, `step` floats apart, as `[terms][TILE]`.
///
/// # Safety
///
/// `terms` floats of each row can be read, there are at most [`TILE`] rows, and `to` has `terms · TILE`
/// floats.
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
        // SAFETY: the caller's contract.
        unsafe { turn(from.add(first), step, rows, to, TILE, 16) };
    }
    for row in 0..rows {
        for term in whole..terms {
            // SAFETY: the caller's contract.
            to[term * TILE + row] = unsafe { *from.add(row * step + term) };
        }
    }
}

/// Packs the right factor `[k][columns]` as `[panels][k][PANEL]`.
pub(super) fn pack_right(from: Matrix<'_>, k: usize, columns: usize, to: &mut Vec<f32>) {
    to.resize(columns.div_ceil(PANEL) * k * PANEL, 0.0);
    to.par_chunks_mut((k * PANEL).max(1)).enumerate().for_each(|(panel, to)| {
        let start = panel * PANEL;
        side_by_side::<PANEL>(from.transposed(), start..columns.min(start + PANEL), to);
    });
}

/// Packs rows of a matrix as `[terms][W]`. Lanes without a row keep their old values, which no result uses.
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
                // SAFETY: each of these rows has 16 terms left, and `to` has room for 16 terms of 16 lanes.
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

/// Transposes a packed matrix: from `[panels of columns][rows][PANEL]` to
/// `[panels of rows][columns][PANEL]`.
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
                    // SAFETY: `from` has `count` rows of 32 floats left, and `to` has `columns` of them.
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
    /// Transposes up to 16 rows of 16 floats. Missing rows count as zeros.
    ///
    /// # Safety
    ///
    /// `count` rows of 16 floats, `from_pitch` apart, can be read from `from`; `terms` rows of 16 floats,
    /// `to_pitch` apart, can be written to `to`.
    fn turn<V>(
        from: *const f32, from_pitch: usize, count: usize, to: *mut f32, to_pitch: usize,
        terms: usize,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            for row in (0..16).step_by(V::WIDTH) {
                let rows = count.saturating_sub(row);
                for term in (0..terms).step_by(V::WIDTH) {
                    let from = from.wrapping_add(row * from_pitch + term);
                    let to = to.add(term * to_pitch + row);
                    V::transpose(from, from_pitch, rows, to, to_pitch, terms - term);
                }
            }
        }
    }
}
