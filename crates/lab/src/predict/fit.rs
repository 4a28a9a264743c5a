//! Joules per layer: coefficients that are not negative, with the smallest relative errors.

use super::{measured::Measured, work::NetworkWork};

/// Number of coefficients.
const COUNT: usize = 3;

/// Joules of a training step per image and unit of work.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Coefficients {
    /// Per floating-point operation of the forward pass.
    pub(crate) per_flop: f64,
    /// Per byte of the forward pass.
    pub(crate) per_byte: f64,
    /// Per layer.
    pub(crate) per_pass: f64,
}

impl Coefficients {
    /// Joules of a training step for one image.
    pub(crate) fn joules(&self, work: &NetworkWork) -> f64 {
        self.per_flop * work.flops + self.per_byte * work.bytes + self.per_pass * work.passes
    }

    /// Least squares of the relative errors over coefficients of at least 0 (Lawson and Hanson 1974): with three
    /// coefficients, each set of those above 0 is tried. `None` without data.
    pub(crate) fn fit<'a>(measured: impl Iterator<Item = &'a Measured>) -> Option<Self> {
        // In units in which the quantities are of similar size.
        const UNITS: [f64; COUNT] = [1e9, 1e8, 1e2];
        let (mut normal, mut right) = ([[0.0; COUNT]; COUNT], [0.0; COUNT]);
        for one in measured {
            let work = [one.work.flops, one.work.bytes, one.work.passes];
            let row: [f64; COUNT] = std::array::from_fn(|at| work[at] / UNITS[at] / one.joules);
            for (i, a) in row.iter().enumerate() {
                right[i] += a;
                for (j, b) in row.iter().enumerate() {
                    normal[i][j] += a * b;
                }
            }
        }
        let mut best: Option<(f64, [f64; COUNT])> = None;
        for chosen in 1..1_usize << COUNT {
            let Some(found) = solved(&normal, &right, chosen) else { continue };
            if found.iter().any(|value| *value < 0.0) {
                continue;
            }
            // The sum of squares without the constant number of rows.
            let mut squares = 0.0;
            for (i, a) in found.iter().enumerate() {
                squares -= 2.0 * a * right[i];
                for (j, b) in found.iter().enumerate() {
                    squares += a * normal[i][j] * b;
                }
            }
            if best.is_none_or(|(least, _)| squares < least) {
                best = Some((squares, found));
            }
        }
        let (_, found) = best?;
        let [per_flop, per_byte, per_pass] = std::array::from_fn(|at| found[at] / UNITS[at]);
        Some(Self { per_flop, per_byte, per_pass })
    }
}

/// Solves the normal equations for the chosen coefficients, with the others 0, by Gaussian elimination.
fn solved(
    normal: &[[f64; COUNT]; COUNT],
    right: &[f64; COUNT],
    chosen: usize,
) -> Option<[f64; COUNT]> {
    let at: Vec<usize> = (0..COUNT).filter(|bit| chosen >> bit & 1 == 1).collect();
    let mut rows: Vec<Vec<f64>> =
        at.iter().map(|i| at.iter().map(|j| normal[*i][*j]).chain([right[*i]]).collect()).collect();
    for pivot in 0..at.len() {
        let largest = (pivot..at.len())
            .max_by(|a, b| rows[*a][pivot].abs().total_cmp(&rows[*b][pivot].abs()))?;
        rows.swap(pivot, largest);
        if rows[pivot][pivot].abs() < 1e-12 {
            return None;
        }
        let (above, below) = rows.split_at_mut(pivot + 1);
        let top = &above[pivot];
        for row in below {
            let factor = row[pivot] / top[pivot];
            row.iter_mut().zip(top).skip(pivot).for_each(|(value, top)| *value -= factor * top);
        }
    }
    let mut found = [0.0; COUNT];
    for row in (0..at.len()).rev() {
        let known: f64 =
            (row + 1..at.len()).map(|column| rows[row][column] * found[at[column]]).sum();
        found[at[row]] = (rows[row][at.len()] - known) / rows[row][row];
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(flops: f64, bytes: f64, passes: f64, joules: f64) -> Measured {
        Measured { work: NetworkWork { flops, bytes, passes }, joules, group: String::new() }
    }

    #[test]
    fn known_coefficients_are_found_again() {
        let truth = Coefficients { per_flop: 2e-11, per_byte: 3e-10, per_pass: 1e-4 };
        let rows: Vec<Measured> = (1..20)
            .map(|at| {
                let mut one =
                    measured(1e9 * f64::from(at), 1e8 / f64::from(at), f64::from(at % 5 + 1), 0.0);
                one.joules = truth.joules(&one.work);
                one
            })
            .collect();
        let found = Coefficients::fit(rows.iter()).unwrap();
        assert!((found.per_flop / truth.per_flop - 1.0).abs() < 1e-6, "{found:?}");
        assert!((found.per_byte / truth.per_byte - 1.0).abs() < 1e-6, "{found:?}");
        assert!((found.per_pass / truth.per_pass - 1.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn no_coefficient_is_negative() {
        // More bytes go with fewer joules.
        let rows = [
            measured(1e9, 1e6, 1.0, 3.0),
            measured(1e9, 5e8, 1.0, 2.0),
            measured(2e9, 9e8, 1.0, 1.0),
        ];
        let found = Coefficients::fit(rows.iter()).unwrap();
        assert!(
            found.per_flop >= 0.0 && found.per_byte >= 0.0 && found.per_pass >= 0.0,
            "{found:?}"
        );
    }
}
