//! The power in each update period, from readings that contain older power.

use super::transitions::{noise, range};

/// Undoes an exponential response: a reading is `keeps` × the reading before + the rest × the power.
pub(super) fn exponential(values: &[f64], keeps: f64) -> Vec<f64> {
    let first = values.first().copied();
    let rest = values.windows(2).map(|pair| (pair[1] - keeps * pair[0]) / (1.0 - keeps));
    first.into_iter().chain(rest).collect()
}

/// A reading in a transition may contain this share of a neighboring update's increment, because the
/// sensor's own samples are not in step with its updates.
pub(super) const JITTER: f64 = 0.3;

/// Passes of the reweighted least squares; the powers of recorded boards change by less than 0.1 W
/// after ten.
const PASSES: usize = 15;

/// Undoes a mean over the last `width` updates: the powers whose means agree with the readings and
/// which change at few times. Returns the powers, and the deviations of their means from the
/// readings, both in watts and one for each reading.
///
/// It minimizes Σ (deviation / σ)² / 2 + Σ ln(1 + (change / s)²) over the powers by reweighted least
/// squares. Each pass solves a symmetric positive definite system of `width` bands.
pub(super) fn mean(values: &[f64], width: usize) -> (Vec<f64>, Vec<f64>) {
    let (width, count) = (width.max(1), values.len());
    let unknown = count + width - 1;
    let range = range(values);
    let sigma = noise(values).max(0.002 * range);
    let scale = (2.0 * sigma).max(0.01 * range);
    let weights: Vec<f64> = (0..count)
        .map(|at| {
            let near = &values[at.saturating_sub(1)..(at + 2).min(count)];
            let steps = near.windows(2).map(|pair| (pair[1] - pair[0]).abs());
            1.0 / (sigma.powi(2) + (JITTER * steps.fold(0.0, f64::max)).powi(2))
        })
        .collect();
    let share = 1.0 / width as f64;
    let mut changes = vec![0.01 / scale.powi(2); unknown.saturating_sub(1)];
    let mut powers = vec![0.0; unknown];
    for _ in 0..PASSES {
        let mut bands = vec![vec![0.0; width.max(2)]; unknown];
        let mut right = vec![0.0; unknown];
        for (at, (weight, value)) in weights.iter().zip(values).enumerate() {
            for first in at..at + width {
                right[first] += weight * share * value;
                for second in first..at + width {
                    bands[first][second - first] += weight * share * share;
                }
            }
        }
        for (at, weight) in changes.iter().enumerate() {
            bands[at][0] += weight;
            bands[at][1] -= weight;
            bands[at + 1][0] += weight;
        }
        powers = solve(bands, right);
        for (at, weight) in changes.iter_mut().enumerate() {
            *weight = 2.0 / ((powers[at + 1] - powers[at]).powi(2) + scale.powi(2));
        }
    }
    let deviations = (0..count)
        .map(|at| values[at] - powers[at..at + width].iter().sum::<f64>() * share)
        .collect();
    (powers.split_off(width - 1), deviations)
}

/// Solves a symmetric positive definite system by Cholesky decomposition (L·D·Lᵀ). `bands[i][j]` is
/// the entry at row i and column i + j.
fn solve(mut bands: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let count = right.len();
    for at in 0..count {
        let (pivot, row) = (bands[at][0], bands[at].clone());
        for first in 1..row.len().min(count - at) {
            let factor = row[first] / pivot;
            for second in first..row.len() {
                bands[at + first][second - first] -= factor * row[second];
            }
            right[at + first] -= factor * right[at];
        }
    }
    for at in (0..count).rev() {
        let later = 1..bands[at].len().min(count - at);
        let known: f64 = later.map(|step| bands[at][step] * right[at + step]).sum();
        right[at] = (right[at] - known) / bands[at][0];
    }
    right
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_mean_of_a_load_that_switches_is_undone(
            width in 2_usize..14,
            on in 30_usize..60,
            off in 70_usize..110,
            high in 120.0_f64..500.0,
        ) {
            let power = |at: usize| if (on..off).contains(&at) { high } else { 60.0 };
            let values: Vec<f64> = (width..150)
                .map(|at| (at - width..at).map(power).sum::<f64>() / width as f64)
                .collect();
            let (found, deviations) = mean(&values, width);
            prop_assert_eq!((found.len(), deviations.len()), (values.len(), values.len()));
            let truth = (width..150).map(|at| power(at - 1));
            for (found, truth) in found.iter().zip(truth) {
                prop_assert!((found - truth).abs() < 0.08 * (high - 60.0), "{found} for {truth}");
            }
        }

        #[test]
        fn an_exponential_is_undone(keeps in 0.3_f64..0.95, powers in prop::collection::vec(0.0_f64..500.0, 2..50)) {
            let mut shown = powers[0];
            let values: Vec<f64> = powers
                .iter()
                .map(|power| {
                    shown = keeps * shown + (1.0 - keeps) * power;
                    shown
                })
                .collect();
            for (found, truth) in exponential(&values, keeps).iter().zip(&powers) {
                prop_assert!((found - truth).abs() < 1e-6);
            }
        }
    }
}
