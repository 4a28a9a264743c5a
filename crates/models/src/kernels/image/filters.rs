//! The weights of convolutions by Winograd's minimal filtering (`winograd.rs`).

use std::f32::consts;

use rayon::prelude::*;

use super::ConvShape;
use crate::kernels::panel::PANEL;

/// Rows and columns of a tile of the output.
pub(super) const SIDE: usize = 4;
/// Rows and columns of the input of a tile.
pub(super) const WIDE: usize = SIDE + 2;
/// Positions of a transformed tile.
pub(super) const POSITIONS: usize = WIDE * WIDE;
/// The points ±INNER and ±OUTER at which polynomials are interpolated.
pub(super) const INNER: f32 = consts::FRAC_1_SQRT_2;
pub(super) const OUTER: f32 = consts::SQRT_2;

/// Whether these convolutions are faster with fewer multiplications. Only the shape decides, because results
/// must not depend on the rest of the batch.
pub(super) fn pays(shape: &ConvShape, rows: usize, columns: usize) -> bool {
    let ConvShape { input, output, kernel, stride, groups, .. } = *shape;
    let tiles = rows.div_ceil(SIDE) * columns.div_ceil(SIDE);
    (kernel, stride, groups) == ([3, 3], 1, 1)
        && input.is_multiple_of(16)
        && output.is_multiple_of(16)
        && 8 * tiles <= rows * columns
}

/// The weights `[co][ci][3][3]`, given by a function of output, input and tap, as
/// `[panels][36][ci][PANEL]`.
pub(super) fn transform_weights(
    shape: &ConvShape,
    weight: impl Fn(usize, usize, usize) -> f32 + Sync,
) -> Vec<f32> {
    let (inner, outer) = (f64::from(INNER), f64::from(OUTER));
    let row = |point: f64, other: f64| {
        let norm = 2.0 * point * point * (point * point - other * other);
        [1.0 / norm, point / norm, point * point / norm]
    };
    let to_points = [
        [1.0 / (inner * inner * outer * outer), 0.0, 0.0],
        row(inner, outer),
        row(-inner, outer),
        row(outer, inner),
        row(-outer, inner),
        [0.0, 0.0, 1.0],
    ];
    let ConvShape { input, output, .. } = *shape;
    let mut packed = vec![0.0; output.div_ceil(PANEL) * POSITIONS * input * PANEL];
    packed.par_chunks_mut((POSITIONS * input * PANEL).max(1)).enumerate().for_each(
        |(panel, to)| {
            for (lane, o) in (panel * PANEL..output.min((panel + 1) * PANEL)).enumerate() {
                for i in 0..input {
                    let mut half = [[0.0; 3]; WIDE];
                    for (half, factors) in half.iter_mut().zip(&to_points) {
                        for column in 0..3 {
                            for row in 0..3 {
                                half[column] +=
                                    factors[row] * f64::from(weight(o, i, row * 3 + column));
                            }
                        }
                    }
                    for position in 0..POSITIONS {
                        let (half, factors) = (&half[position / WIDE], &to_points[position % WIDE]);
                        let sum: f64 = half.iter().zip(factors).map(|(a, b)| a * b).sum();
                        to[(position * input + i) * PANEL + lane] = sum as f32;
                    }
                }
            }
        },
    );
    packed
}
