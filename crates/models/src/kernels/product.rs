//! Matrix products of any layout: both sides are packed once, then multiplied tile by tile.
//!
//! The blocks are those of Goto and van de Geijn 2008: a strip of the left side stays in the
//! second-level cache while panels of the right side pass by. Each entry is summed by one thread in
//! one order, so results do not depend on the number of threads.

use rayon::prelude::*;

use super::{
    Parts,
    panel::{MOST, PANEL, Tile, compute},
};

/// A matrix in memory: entry (i, j) lies at `i·row + j·column`.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

impl<'a> Matrix<'a> {
    /// `[rows][columns]`.
    pub(crate) fn rows(values: &'a [f32], columns: usize) -> Self {
        Self { values, row: columns, column: 1 }
    }

    /// The same the other way around.
    pub(crate) fn transposed(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }
}

/// Terms of a sum that are added in registers before the result goes to memory.
const DEPTH: usize = 768;
/// Rows of a strip, a batch of 512 among them: with [`DEPTH`] terms 1.6 MB, of the 2 MB that the
/// second-level cache of a server's core has.
const STRIP: usize = 38 * MOST;
/// Panels of a task.
const PANELS: usize = 6;

/// Packed sides, kept from product to product.
#[derive(Default)]
pub(crate) struct Product {
    /// `[blocks of depth][tiles][depth][MOST]`.
    left: Vec<f32>,
    /// `[blocks of depth][panels][depth][PANEL]`.
    right: Vec<f32>,
    bias: Vec<f32>,
}

impl Product {
    /// `out [m][n] = left [m][k] · right [k][n]`, plus `bias [n]` in each row if there is one.
    pub(crate) fn compute(
        &mut self,
        (m, k, n): (usize, usize, usize),
        left: Matrix<'_>,
        right: Matrix<'_>,
        bias: Option<&[f32]>,
        out: &mut [f32],
    ) {
        assert_eq!(out.len(), m * n, "the result of [{m}][{k}] · [{k}][{n}]");
        if m * n == 0 {
            return;
        }
        let (tiles, panels) = (m.div_ceil(MOST), n.div_ceil(PANEL));
        self.left.resize(tiles * MOST * k, 0.0);
        self.right.resize(panels * PANEL * k, 0.0);
        self.bias.clear();
        self.bias.extend_from_slice(bias.unwrap_or(&[]));
        self.bias.resize(panels * PANEL, 0.0);
        pack::<MOST>(left, m, k, &mut self.left);
        pack::<PANEL>(right.transposed(), n, k, &mut self.right);

        let parts = Parts(out.as_mut_ptr());
        let (strips, groups) = (m.div_ceil(STRIP), panels.div_ceil(PANELS));
        (0..strips * groups).into_par_iter().for_each(|task| {
            let (strip, group) = (task / groups, task % groups);
            let tiles = strip * (STRIP / MOST)..((strip + 1) * (STRIP / MOST)).min(tiles);
            let panels = group * PANELS..((group + 1) * PANELS).min(panels);
            self.block((m, k, n), tiles, panels, parts);
        });
    }

    /// Some tiles times some panels.
    fn block(
        &self,
        (m, k, n): (usize, usize, usize),
        tiles: std::ops::Range<usize>,
        panels: std::ops::Range<usize>,
        out: Parts,
    ) {
        let (all_tiles, all_panels) = (m.div_ceil(MOST), n.div_ceil(PANEL));
        let zeros = [0.0_f32; PANEL];
        // Also of sums without terms, which are the bias.
        for first in (0..k.max(1)).step_by(DEPTH) {
            let depth = DEPTH.min(k - first);
            for panel in panels.clone() {
                let weights = &self.right[(first * all_panels + panel * depth) * PANEL..];
                for tile in tiles.clone() {
                    let from = &self.left[(first * all_tiles + tile * depth) * MOST..];
                    // SAFETY: the tile's rows lie in the result, which has n columns.
                    let to = unsafe { out.at(tile * MOST * n + panel * PANEL) };
                    let begins = first == 0;
                    let tile_of = Tile {
                        from: from.as_ptr(),
                        step: 1,
                        packed: true,
                        segments: &[0],
                        run: depth,
                        weights: weights.as_ptr(),
                        bias: if begins {
                            self.bias[panel * PANEL..].as_ptr()
                        } else {
                            zeros.as_ptr()
                        },
                        residual: if begins { std::ptr::null() } else { to },
                        residual_pitch: n,
                        to,
                        pitch: n,
                        channels: (n - panel * PANEL).min(PANEL),
                        bounds: (f32::NEG_INFINITY, f32::INFINITY),
                    };
                    // SAFETY: packed as `Product` says; these rows and columns are this task's.
                    unsafe { compute(&tile_of, (m - tile * MOST).min(MOST)) };
                }
            }
        }
    }
}

/// Packs `[rows][k]` as `[blocks of depth][groups][depth][W]`, W rows side by side; those of the last
/// group that do not exist keep what they had, and are never read into a result.
fn pack<const W: usize>(from: Matrix<'_>, rows: usize, k: usize, to: &mut [f32]) {
    let groups = rows.div_ceil(W);
    let mut rest = to;
    let mut blocks = Vec::new();
    for first in (0..k).step_by(DEPTH) {
        let depth = DEPTH.min(k - first);
        let (block, others) = rest.split_at_mut(groups * depth * W);
        rest = others;
        blocks.extend(
            block.chunks_exact_mut(depth * W).enumerate().map(|(group, it)| (first, group, it)),
        );
    }
    blocks.into_par_iter().for_each(|(first, group, to)| {
        let start = group * W;
        let count = W.min(rows - start);
        if from.row == 1 {
            for (term, to) in to.as_chunks_mut::<W>().0.iter_mut().enumerate() {
                let at = (first + term) * from.column + start;
                if count == W {
                    to.copy_from_slice(&from.values[at..at + W]);
                } else {
                    to[..count].copy_from_slice(&from.values[at..at + count]);
                }
            }
            return;
        }
        // A few terms of every row at a time, so that what is written stays near.
        const AT_ONCE: usize = 16;
        for (chunk, to) in to.chunks_mut(AT_ONCE * W).enumerate() {
            let terms = to.len() / W;
            for row in 0..count {
                let at = (start + row) * from.row + (first + chunk * AT_ONCE) * from.column;
                if from.column == 1 {
                    for (term, value) in from.values[at..at + terms].iter().enumerate() {
                        to[term * W + row] = *value;
                    }
                } else {
                    for term in 0..terms {
                        to[term * W + row] = from.values[at + term * from.column];
                    }
                }
            }
        }
    });
}
