//! Least squares over coefficients of at least 0.

use super::{
    StatsError,
    error::{check_count, check_length, check_values},
    least_squares::LeastSquares,
};

/// A gradient this small, relative to the response, is 0.
const FLAT: f64 = 1e-11;

/// The coefficients `b ≥ 0` that minimize `|y − Xb|²`, one for each column of `X`, by Lawson and Hanson's active
/// set (*Solving Least Squares Problems*, 1974, chapter 23); each step is solved by Householder reflections.
///
/// Of columns that determine one another, some have the coefficient 0. There is no intercept; give a column of ones
/// for one that is not negative.
///
/// # Errors
///
/// If there is no column or no row, lengths differ, or a value is neither 0 nor of a magnitude from 1e-60 to 1e60.
pub fn non_negative_least_squares(columns: &[&[f64]], y: &[f64]) -> Result<Vec<f64>, StatsError> {
    check_count("columns", columns.len(), 1)?;
    check_count("values in `y`", y.len(), 1)?;
    check_values("y", y)?;
    for (at, column) in columns.iter().enumerate() {
        let name = format!("column {}", at + 1);
        check_length(&name, column.len(), y.len())?;
        check_values(&name, column)?;
    }
    // In units in which each column, and the response, has length 1.
    let lengths: Vec<f64> = columns.iter().map(|column| length(column)).collect();
    let whole = length(y);
    if whole == 0.0 {
        return Ok(vec![0.0; columns.len()]);
    }
    let unit = |values: &[f64], length: f64| values.iter().map(|value| value / length).collect();
    let units: Vec<Vec<f64>> =
        columns.iter().zip(&lengths).map(|(column, length)| unit(column, *length)).collect();
    let found = solve(&units, &lengths, &unit(y, whole));
    // A coefficient may be smaller than the smallest number.
    Ok(found
        .iter()
        .zip(&lengths)
        .map(|(b, length)| if *b > 0.0 { b * whole / length } else { 0.0 })
        .collect())
}

fn solve(columns: &[Vec<f64>], lengths: &[f64], y: &[f64]) -> Vec<f64> {
    let width = columns.len();
    let mut b = vec![0.0; width];
    let mut is_free = vec![false; width];
    // Columns that are 0, or were combinations of the free ones when they were tried.
    let mut is_out: Vec<bool> = lengths.iter().map(|length| *length == 0.0).collect();
    // In exact arithmetic no set of free columns occurs twice; rounding must not loop.
    for _ in 0..10 * width {
        let rest = residual(columns, &b, y);
        let gradient = |at: usize| dot(&columns[at], &rest);
        let candidates = (0..width).filter(|at| !is_free[*at] && !is_out[*at]);
        let Some(next) = candidates.max_by(|a, b| gradient(*a).total_cmp(&gradient(*b))) else {
            break;
        };
        if gradient(next) <= FLAT {
            break;
        }
        is_free[next] = true;
        let Some(mut best) = unrestricted(columns, &is_free, y) else {
            (is_free[next], is_out[next]) = (false, true);
            continue;
        };
        // Goes as far towards the unrestricted best as no coefficient becomes negative, and fixes those that are 0.
        while (0..width).any(|at| is_free[at] && best[at] <= 0.0) {
            let limits = (0..width).filter(|at| is_free[*at] && best[*at] <= 0.0);
            let step = limits
                .map(|at| b[at] / (b[at] - best[at]))
                .fold(1.0_f64, |least, step| if step.is_finite() { least.min(step) } else { 0.0 });
            for at in (0..width).filter(|at| is_free[*at]) {
                b[at] += step * (best[at] - b[at]);
            }
            for at in 0..width {
                if is_free[at] && best[at] <= 0.0 && b[at] <= 1e-15 {
                    (is_free[at], b[at]) = (false, 0.0);
                }
            }
            match unrestricted(columns, &is_free, y) {
                Some(found) => best = found,
                None => return b,
            }
        }
        b = best;
    }
    b
}

/// The coefficients of the free columns without a restriction, and 0 for the others; `None` if the columns
/// determine one another.
fn unrestricted(columns: &[Vec<f64>], is_free: &[bool], y: &[f64]) -> Option<Vec<f64>> {
    let free: Vec<usize> = (0..columns.len()).filter(|at| is_free[*at]).collect();
    let chosen = free.iter().map(|at| columns[*at].clone()).collect();
    let fit = LeastSquares::fit(chosen, y).ok()?;
    let mut found = vec![0.0; columns.len()];
    for (at, value) in free.iter().zip(fit.coefficients()) {
        found[*at] = value;
    }
    found.iter().all(|value| value.is_finite()).then_some(found)
}

fn residual(columns: &[Vec<f64>], b: &[f64], y: &[f64]) -> Vec<f64> {
    let mut rest = y.to_vec();
    for (column, b) in columns.iter().zip(b).filter(|(_, b)| **b != 0.0) {
        rest.iter_mut().zip(column).for_each(|(rest, value)| *rest -= b * value);
    }
    rest
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn length(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The conditions of Karush, Kuhn and Tucker, which the best coefficients alone meet.
        #[test]
        fn no_coefficient_can_be_improved(values in prop::collection::vec(-3.0_f64..3.0, 40)) {
            let columns: Vec<&[f64]> = values.chunks(8).take(4).collect();
            let y = &values[32..];
            let b = non_negative_least_squares(&columns, y).unwrap();
            let owned: Vec<Vec<f64>> = columns.iter().map(|column| column.to_vec()).collect();
            let rest = residual(&owned, &b, y);
            for (column, b) in owned.iter().zip(&b) {
                let gradient = dot(column, &rest);
                prop_assert!(*b >= 0.0 && gradient < 1e-8, "{b} {gradient}");
                prop_assert!(*b == 0.0 || gradient.abs() < 1e-8, "{b} {gradient}");
            }
        }
    }
}
