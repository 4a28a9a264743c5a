//! Matrix products of any layout: both factors are packed, unless they already are, and multiplied tile by
//! tile.
//!
//! The blocking follows Goto and van de Geijn 2008: a strip of the left factor stays in the second-level
//! cache while panels of the right factor are read. One thread sums each entry in a fixed order, so that
//! results do not depend on the number of threads.

use rayon::prelude::*;

use super::{
    Parts, TASKS,
    matrix::Matrix,
    pack::{pack_left, pack_right, pack_turned},
    panel::{Ahead, MOST, PANEL, TILE, Tile, compute},
};

/// A right factor `[k][n]`.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a> {
    Matrix(Matrix<'a>),
    /// Packed as `[panels of n][k][PANEL]`, the layout of a linear layer's weights.
    Panels(&'a [f32]),
    /// Its transpose, packed as `[panels of k][n][PANEL]`.
    Turned(&'a [f32]),
}

/// The buffer for a result `[m][n]`.
pub(crate) enum Out<'a> {
    /// Row-major.
    Rows(&'a mut [f32]),
    /// Packed as `[panels of n][m][PANEL]`; lanes without a column keep their old values.
    Panels(&'a mut [f32]),
}

/// Number of floats of a matrix that is packed in panels of its columns.
pub(crate) fn in_panels(rows: usize, columns: usize) -> usize {
    columns.div_ceil(PANEL) * rows * PANEL
}

/// Index of entry (row, column) of a matrix with `rows` rows that is packed in panels of its columns.
pub(crate) fn place_in_panels(rows: usize, row: usize, column: usize) -> usize {
    (column / PANEL * rows + row) * PANEL + column % PANEL
}

/// Terms of a sum that are added in registers before the result is stored.
const DEPTH: usize = 768;
/// Tiles of a strip; a core's second-level cache holds a strip. 38 tiles are a batch of 512 rows.
const STRIP: usize = 38;
/// Panels of a task.
const PANELS: usize = 6;

/// Computes products; keeps the buffers of packed factors from product to product.
#[derive(Default)]
pub(crate) struct Product {
    /// `[tiles][k][TILE]`.
    left: Vec<f32>,
    /// `[panels][k][PANEL]`.
    right: Vec<f32>,
    bias: Vec<f32>,
}

/// A product under way.
struct Sides<'a> {
    m: usize,
    k: usize,
    n: usize,
    /// `[tiles][k][TILE]`.
    left: &'a [f32],
    /// `[panels][k][PANEL]`.
    right: &'a [f32],
    bias: &'a [f32],
    out: Parts,
    in_panels: bool,
}

impl Product {
    /// Floats of the kept buffers.
    pub(crate) fn kept(&self) -> usize {
        self.left.capacity() + self.right.capacity()
    }

    /// Computes `out [m][n] = left [m][k] · right [k][n]`, plus `bias [n]` in each row if given.
    pub(crate) fn compute(
        &mut self,
        (m, k, n): (usize, usize, usize),
        left: Matrix<'_>,
        right: Right<'_>,
        bias: Option<&[f32]>,
        out: Out<'_>,
    ) {
        let (out, in_panels) = match out {
            Out::Rows(out) => {
                assert_eq!(out.len(), m * n, "the result of [{m}][{k}] · [{k}][{n}]");
                (out, false)
            }
            Out::Panels(out) => {
                assert_eq!(out.len(), in_panels(m, n), "panels of [{m}][{k}] · [{k}][{n}]");
                (out, true)
            }
        };
        if m * n == 0 {
            return;
        }
        let (tiles, panels) = (m.div_ceil(MOST), n.div_ceil(PANEL));
        self.bias.clear();
        self.bias.extend_from_slice(bias.unwrap_or(&[]));
        self.bias.resize(panels * PANEL, 0.0);
        let (to_left, to_right) = (&mut self.left, &mut self.right);
        rayon::join(
            || pack_left(left, m, k, to_left),
            || match right {
                Right::Panels(_) => {}
                Right::Matrix(right) => pack_right(right, k, n, to_right),
                Right::Turned(right) => pack_turned(right, n, k, to_right),
            },
        );
        let right = if let Right::Panels(right) = right { right } else { &self.right };
        assert!(right.len() >= panels * k * PANEL, "[{k}][{n}] in panels has fewer floats");
        let out = Parts(out.as_mut_ptr());
        let sides = Sides { m, k, n, left: &self.left, right, bias: &self.bias, out, in_panels };
        // This division does not change the order of any sum.
        let wanted = if rayon::current_num_threads() > 1 { TASKS } else { 1 };
        let groups = panels.div_ceil(PANELS).max(wanted.min(panels));
        let strips = tiles.div_ceil(STRIP).max(wanted.div_ceil(groups).min(tiles));
        let part =
            |all: usize, parts: usize, index: usize| all * index / parts..all * (index + 1) / parts;
        (0..strips * groups).into_par_iter().for_each(|task| {
            let (strip, group) = (task / groups, task % groups);
            sides.block(part(tiles, strips, strip), part(panels, groups, group));
        });
    }
}

impl Sides<'_> {
    /// Multiplies a range of tiles with a range of panels.
    fn block(&self, tiles: std::ops::Range<usize>, panels: std::ops::Range<usize>) {
        let Self { m, k, n, .. } = *self;
        let zeros = [0.0_f32; PANEL];
        let pitch = if self.in_panels { PANEL } else { n };
        // At least one iteration: sums without terms are the bias.
        for first in (0..k.max(1)).step_by(DEPTH) {
            let depth = DEPTH.min(k - first);
            for panel in panels.clone() {
                let next = if panel + 1 < panels.end {
                    &self.right[((panel + 1) * k + first) * PANEL..][..depth * PANEL]
                } else {
                    &[]
                };
                for tile in tiles.clone() {
                    let to = if self.in_panels {
                        (panel * m + tile * MOST) * PANEL
                    } else {
                        tile * MOST * n + panel * PANEL
                    };
                    // SAFETY: the tile's rows and the panel's columns are inside the result.
                    let to = unsafe { self.out.at(to) };
                    let begins = first == 0;
                    let tile_of = Tile {
                        from: self.left[(tile * k + first) * TILE..].as_ptr(),
                        step: 1,
                        packed: true,
                        segments: &[0],
                        run: depth,
                        weights: self.right[(panel * k + first) * PANEL..].as_ptr(),
                        bias: if begins {
                            self.bias[panel * PANEL..].as_ptr()
                        } else {
                            zeros.as_ptr()
                        },
                        residual: if begins { std::ptr::null() } else { to },
                        residual_pitch: pitch,
                        to,
                        pitch,
                        channels: (n - panel * PANEL).min(PANEL),
                        bounds: (f32::NEG_INFINITY, f32::INFINITY),
                        ahead: Ahead::of(next, tile - tiles.start, tiles.len(), depth),
                    };
                    // SAFETY: both factors are packed as documented at `Sides`, and only this task
                    // writes these rows and columns.
                    unsafe { compute(&tile_of, (m - tile * MOST).min(MOST)) };
                }
            }
        }
    }
}
