//! Lengths and noise of the kernel by maximum a posteriori.

use super::{Matern, Posterior};

/// Log-normal prior of a length: median and deviation of its logarithm, before the √d scaling
/// (Hvarfner et al. 2024, "Vanilla Bayesian optimization performs great in high dimensions", with a
/// shorter scale for small budgets).
const LENGTH: (f64, f64) = (-0.9, 0.8);
/// The same of the noise variance.
const NOISE: (f64, f64) = (-7.0, 2.0);
/// Sweeps of the coordinate search.
const SWEEPS: usize = 4;

/// The kernel and the noise variance for points of the unit cube and standardized values.
///
/// Coordinate search with shrinking steps in the logarithms: deterministic, without gradients, and
/// enough for the few dimensions of a training's hyper-parameters.
pub(crate) fn fit(points: &[Vec<f64>], values: &[f64]) -> (Matern, f64) {
    let dimensions = points.first().map_or(0, Vec::len);
    let center = LENGTH.0 + 0.5 * (dimensions as f64).ln();
    let mut logs = vec![center; dimensions];
    logs.push(NOISE.0);
    let cost = |logs: &[f64]| {
        let (kernel, noise) = settings(logs);
        let Some(posterior) = Posterior::new(points.to_vec(), values, kernel, noise) else {
            return f64::INFINITY;
        };
        let (noise, lengths) =
            logs.split_last().map_or((NOISE.0, logs), |(last, rest)| (*last, rest));
        let lengths: f64 = lengths.iter().map(|it| ((it - center) / LENGTH.1).powi(2)).sum();
        posterior.cost + 0.5 * (lengths + ((noise - NOISE.0) / NOISE.1).powi(2))
    };
    let mut best = cost(&logs);
    let mut step = 1.0;
    for _ in 0..SWEEPS {
        for axis in 0..logs.len() {
            for direction in [-step, step] {
                let mut moved = logs.clone();
                moved[axis] += direction;
                let value = cost(&moved);
                if value < best {
                    (best, logs) = (value, moved);
                }
            }
        }
        step *= 0.6;
    }
    settings(&logs)
}

fn settings(logs: &[f64]) -> (Matern, f64) {
    let (noise, lengths) = logs.split_last().map_or((NOISE.0, logs), |(last, rest)| (*last, rest));
    (Matern { lengths: lengths.iter().map(|it| it.exp()).collect() }, noise.exp())
}
