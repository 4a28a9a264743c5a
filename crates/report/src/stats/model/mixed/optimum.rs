//! The smallest value of a function of a few numbers, without derivatives.

/// Most evaluations of one descent, and most descents.
const MOST_STEPS: usize = 4000;
const MOST_DESCENTS: usize = 8;
/// A descent ends when the values of its corners differ by no more than this share.
const PRECISION: f64 = 1e-13;
/// A descent that improves the value by no more than this is the last.
const IMPROVEMENT: f64 = 1e-9;

/// The best point, its value, and how often the function was evaluated.
#[derive(Clone, Debug)]
pub(super) struct Optimum {
    pub(super) point: Vec<f64>,
    pub(super) value: f64,
    pub(super) steps: usize,
    /// Whether another descent would have changed little.
    pub(super) converged: bool,
}

/// Minimizes by descents of a simplex (Nelder and Mead 1965, The Computer Journal 7:308), each from the best point
/// of the one before, until none improves.
pub(super) fn minimize(function: impl Fn(&[f64]) -> f64, start: &[f64]) -> Optimum {
    let mut best =
        Optimum { point: start.to_vec(), value: function(start), steps: 1, converged: false };
    for descent in 0..MOST_DESCENTS {
        let width = if descent == 0 { 0.5 } else { 0.05 };
        let (point, value, steps) = descend(&function, &best.point, width);
        best.steps += steps;
        let improvement = best.value - value;
        if value < best.value {
            (best.point, best.value) = (point, value);
        }
        if descent > 0 && improvement <= IMPROVEMENT {
            best.converged = true;
            break;
        }
    }
    best
}

fn descend(function: &impl Fn(&[f64]) -> f64, start: &[f64], width: f64) -> (Vec<f64>, f64, usize) {
    let size = start.len();
    let mut corners: Vec<(Vec<f64>, f64)> = (0..=size)
        .map(|corner| {
            let mut point = start.to_vec();
            if let Some(value) = point.get_mut(corner) {
                *value += width;
            }
            let value = function(&point);
            (point, value)
        })
        .collect();
    let mut steps = corners.len();
    while steps < MOST_STEPS {
        corners.sort_by(|a, b| a.1.total_cmp(&b.1));
        let (lowest, highest) = (corners[0].1, corners[size].1);
        let spread = |at: usize| {
            let values = corners.iter().map(|corner| corner.0[at]);
            values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
        };
        if highest - lowest <= PRECISION * lowest.abs().max(1.0)
            && (0..size).all(|at| spread(at) < 1e-6)
        {
            break;
        }
        let center: Vec<f64> = (0..size)
            .map(|at| corners[..size].iter().map(|corner| corner.0[at]).sum::<f64>() / size as f64)
            .collect();
        let toward = |share: f64| -> (Vec<f64>, f64) {
            let worst = &corners[size].0;
            let point: Vec<f64> = center
                .iter()
                .zip(worst)
                .map(|(center, worst)| center + share * (worst - center))
                .collect();
            let value = function(&point);
            (point, value)
        };
        let reflected = toward(-1.0);
        steps += 1;
        let next = if reflected.1 < lowest {
            let expanded = toward(-2.0);
            steps += 1;
            Some(if expanded.1 < reflected.1 { expanded } else { reflected })
        } else if reflected.1 < corners[size - 1].1 {
            Some(reflected)
        } else {
            let contracted = toward(if reflected.1 < highest { -0.5 } else { 0.5 });
            steps += 1;
            (contracted.1 < highest.min(reflected.1)).then_some(contracted)
        };
        match next {
            Some(next) => corners[size] = next,
            None => {
                let lowest = corners[0].0.clone();
                for corner in &mut corners[1..] {
                    corner
                        .0
                        .iter_mut()
                        .zip(&lowest)
                        .for_each(|(value, low)| *value = low + 0.5 * (*value - low));
                    corner.1 = function(&corner.0);
                }
                steps += size;
            }
        }
    }
    corners.sort_by(|a, b| a.1.total_cmp(&b.1));
    let (point, value) = corners.swap_remove(0);
    (point, value, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bottom_of_a_curved_valley_is_found() {
        // Rosenbrock (1960): 0 at (1, 1).
        let valley = |x: &[f64]| (1.0 - x[0]).powi(2) + 100.0 * (x[1] - x[0] * x[0]).powi(2);
        let found = minimize(valley, &[-1.2, 1.0]);
        assert!(found.converged && found.value < 1e-12, "{found:?}");
        assert!((found.point[0] - 1.0).abs() < 1e-5 && (found.point[1] - 1.0).abs() < 1e-5);
    }
}
