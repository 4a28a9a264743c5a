//! Minimization in a box: limited-memory BFGS (Nocedal and Wright 2006, algorithm 7.4) with
//! projection onto the bounds and backtracking.

use std::collections::VecDeque;

use super::dense::dot;

/// Number of steps from which the curvature is estimated.
const MEMORY: usize = 6;

/// A smooth function of a point, for minimization.
pub(crate) trait Smooth {
    /// The value at a point; the gradient goes to `gradient`.
    fn value(&mut self, point: &[f64], gradient: &mut [f64]) -> f64;
}

impl<F: FnMut(&[f64], &mut [f64]) -> f64> Smooth for F {
    fn value(&mut self, point: &[f64], gradient: &mut [f64]) -> f64 {
        self(point, gradient)
    }
}

/// A local minimum near `start`: its value and the point.
///
/// Ends after `evaluations`, or when a step gains less than `tolerance`.
pub(crate) fn minimize(
    function: &mut impl Smooth,
    start: &[f64],
    bounds: &[(f64, f64)],
    evaluations: usize,
    tolerance: f64,
) -> (f64, Vec<f64>) {
    let n = start.len();
    let clamp = |point: &mut [f64]| {
        point
            .iter_mut()
            .zip(bounds)
            .for_each(|(place, (low, high))| *place = place.clamp(*low, *high));
    };
    let mut point = start.to_vec();
    clamp(&mut point);
    let mut gradient = vec![0.0; n];
    let mut value = function.value(&point, &mut gradient);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    let mut left = evaluations.saturating_sub(1);
    while left > 0 && value.is_finite() {
        // A coordinate that a bound holds takes no part in the step.
        let free: Vec<bool> = (0..n)
            .map(|i| {
                let (low, high) = bounds[i];
                !((point[i] <= low && gradient[i] > 0.0) || (point[i] >= high && gradient[i] < 0.0))
            })
            .collect();
        let slope: Vec<f64> = (0..n).map(|i| if free[i] { gradient[i] } else { 0.0 }).collect();
        let steepest = slope.iter().fold(0.0_f64, |most, slope| most.max(slope.abs()));
        if steepest < 1e-7 {
            break;
        }
        let mut step = direction(&slope, steepest, &memory);
        (0..n).filter(|i| !free[*i]).for_each(|i| step[i] = 0.0);
        let mut descent = dot(&step, &slope);
        if descent.is_nan() || descent >= 0.0 {
            memory.clear();
            step = direction(&slope, steepest, &memory);
            descent = dot(&step, &slope);
        }
        let mut length = 1.0;
        let mut moved = None;
        let mut new_gradient = vec![0.0; n];
        while left > 0 && length > 1e-6 {
            let mut next: Vec<f64> =
                point.iter().zip(&step).map(|(place, step)| place + length * step).collect();
            clamp(&mut next);
            let new_value = function.value(&next, &mut new_gradient);
            left -= 1;
            if new_value <= value + 1e-4 * length * descent {
                moved = Some((next, new_value));
                break;
            }
            // The minimum of the parabola through both values and the slope, if it is sensible.
            let bend = new_value - value - length * descent;
            let parabola = -descent * length * length / (2.0 * bend);
            let bracket = (0.1 * length, 0.5 * length);
            length =
                if parabola.is_finite() { parabola.clamp(bracket.0, bracket.1) } else { bracket.0 };
        }
        let Some((next, new_value)) = moved else { break };
        let moved: Vec<f64> = next.iter().zip(&point).map(|(a, b)| a - b).collect();
        let turned: Vec<f64> = new_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&moved, &turned);
        if curvature > 1e-12 {
            memory.push_back((moved, turned, 1.0 / curvature));
            if memory.len() > MEMORY {
                memory.pop_front();
            }
        }
        let gain = value - new_value;
        (point, value, gradient) = (next, new_value, new_gradient);
        if gain < tolerance {
            break;
        }
    }
    (value, point)
}

/// The two-loop recursion: minus the estimated inverse Hessian times the gradient.
fn direction(
    slope: &[f64],
    steepest: f64,
    memory: &VecDeque<(Vec<f64>, Vec<f64>, f64)>,
) -> Vec<f64> {
    let mut step: Vec<f64> = slope.iter().map(|slope| -slope).collect();
    let mut shares = Vec::with_capacity(memory.len());
    for (moved, turned, inverse) in memory.iter().rev() {
        let share = inverse * dot(moved, &step);
        step.iter_mut().zip(turned).for_each(|(step, turned)| *step -= share * turned);
        shares.push(share);
    }
    // Without a memory the first step moves no coordinate by more than a fifth.
    let scale = memory.back().map_or((0.2 / steepest).min(1.0), |(_, turned, inverse)| {
        1.0 / (inverse * dot(turned, turned))
    });
    step.iter_mut().for_each(|step| *step *= scale);
    for ((moved, turned, inverse), share) in memory.iter().zip(shares.iter().rev()) {
        let correction = share - inverse * dot(turned, &step);
        step.iter_mut().zip(moved).for_each(|(step, moved)| *step += correction * moved);
    }
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rosenbrock's function has its minimum at (1, 1), or at a bound that excludes that point.
    #[test]
    fn the_valley_is_followed_to_its_end() {
        let mut valley = |x: &[f64], gradient: &mut [f64]| {
            let bend = x[1] - x[0] * x[0];
            gradient[0] = -400.0 * x[0] * bend - 2.0 * (1.0 - x[0]);
            gradient[1] = 200.0 * bend;
            100.0 * bend * bend + (1.0 - x[0]).powi(2)
        };
        let (value, place) =
            minimize(&mut valley, &[-1.2, 1.0], &[(-2.0, 2.0), (-2.0, 2.0)], 200, 1e-14);
        assert!(value < 1e-8, "{value} at {place:?}");
        let (_, place) =
            minimize(&mut valley, &[-1.2, 1.0], &[(-2.0, 0.5), (-2.0, 2.0)], 200, 1e-14);
        assert!((place[0] - 0.5).abs() < 1e-9 && (place[1] - 0.25).abs() < 1e-3, "{place:?}");
    }
}
