//! The normal distribution of CMA-ES.

use crate::{
    gp::{cholesky, forward},
    random::RandomStream,
};

/// A normal distribution over the unit cube, updated from ranked generations. Names and constants are
/// those of Hansen 2016, table 1; C⁻¹ᐟ² is replaced by the inverse of the Cholesky factor (Krause et al.
/// 2016, "CMA-ES with optimal covariance update and storage complexity").
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    mean: Vec<f64>,
    /// The step size σ.
    step: f64,
    /// C, row by row, and its lower Cholesky factor.
    covariance: Vec<f64>,
    lower: Vec<f64>,
    /// The paths of C and of σ.
    path: Vec<f64>,
    step_path: Vec<f64>,
    /// λ, the number of trials of a generation.
    generation: usize,
    updates: i32,
}

/// The first step size, as a share of the range.
const STEP: f64 = 0.2;

impl Distribution {
    /// A distribution that is equally wide in all d dimensions. A generation has λ = 4 + ⌊3 ln d⌋ trials, a number
    /// that is doubled `doublings` times.
    pub(super) fn new(mean: Vec<f64>, doublings: u32) -> Self {
        let d = mean.len();
        let mut unit = vec![0.0; d * d];
        (0..d).for_each(|i| unit[i * d + i] = 1.0);
        let generation = (4 + (3.0 * (d as f64).ln()) as usize) << doublings;
        let (path, step_path) = (vec![0.0; d], vec![0.0; d]);
        let lower = unit.clone();
        Self { mean, step: STEP, covariance: unit, lower, path, step_path, generation, updates: 0 }
    }

    /// Number of trials in a generation.
    pub(super) fn generation(&self) -> usize {
        self.generation
    }

    /// The variance along an axis.
    pub(super) fn variance(&self, axis: usize) -> f64 {
        self.step * self.step * self.covariance[axis * self.mean.len() + axis]
    }

    /// The largest deviation along an axis.
    pub(super) fn widest(&self) -> f64 {
        let variances = (0..self.mean.len()).map(|axis| self.variance(axis));
        variances.fold(0.0, f64::max).sqrt()
    }

    pub(super) fn draw(&self, random: &mut RandomStream) -> Vec<f64> {
        let d = self.mean.len();
        let normal: Vec<f64> = (0..d).map(|_| random.normal()).collect();
        let row = |i: usize| (0..=i).map(|j| self.lower[i * d + j] * normal[j]).sum::<f64>();
        (0..d).map(|i| self.mean[i] + self.step * row(i)).collect()
    }

    /// Learns from a generation of places with values, larger is better; false if the covariance can
    /// no longer be factored.
    pub(super) fn update(&mut self, generation: &[(Vec<f64>, f64)]) -> bool {
        let d = self.mean.len();
        let n = d as f64;
        let mut order: Vec<&(Vec<f64>, f64)> = generation.iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        let mu = order.len() / 2;
        // A generation of failures alone says nothing.
        let valid = order.iter().filter(|(_, value)| value.is_finite()).count();
        if valid == 0 || mu == 0 {
            return true;
        }
        order.truncate(mu.min(valid));
        let raw: Vec<f64> =
            (0..order.len()).map(|i| (mu as f64 + 0.5).ln() - (i as f64 + 1.0).ln()).collect();
        let sum: f64 = raw.iter().sum();
        let weights: Vec<f64> = raw.iter().map(|weight| weight / sum).collect();
        let mass = 1.0 / weights.iter().map(|weight| weight * weight).sum::<f64>();

        let c_sigma = (mass + 2.0) / (n + mass + 5.0);
        let damping = 1.0 + 2.0 * (((mass - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma;
        let c_path = (4.0 + mass / n) / (n + 4.0 + 2.0 * mass / n);
        let c_one = 2.0 / ((n + 1.3).powi(2) + mass);
        let c_mu = (1.0 - c_one).min(2.0 * (mass - 2.0 + 1.0 / mass) / ((n + 2.0).powi(2) + mass));
        let c_mu = c_mu.max(0.0);
        let expected = n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n));

        // Steps in units of σ; those of trials that others suggested are cut (Hansen 2011,
        // "Injecting external solutions into CMA-ES").
        let longest = expected + 2.0 * n / (n + 2.0) + 1.0;
        let steps: Vec<Vec<f64>> = order
            .iter()
            .map(|(place, _)| {
                let step: Vec<f64> =
                    place.iter().zip(&self.mean).map(|(x, m)| (x - m) / self.step).collect();
                let mut white = step.clone();
                forward(&self.lower, d, &mut white);
                let length = white.iter().map(|x| x * x).sum::<f64>().sqrt();
                let factor = (longest / length.max(1e-300)).min(1.0);
                step.iter().map(|x| x * factor).collect()
            })
            .collect();
        let moved: Vec<f64> = (0..d)
            .map(|i| steps.iter().zip(&weights).map(|(step, weight)| weight * step[i]).sum())
            .collect();
        self.mean.iter_mut().zip(&moved).for_each(|(mean, moved)| *mean += self.step * moved);

        let mut white = moved.clone();
        forward(&self.lower, d, &mut white);
        let rise = (c_sigma * (2.0 - c_sigma) * mass).sqrt();
        for (path, white) in self.step_path.iter_mut().zip(&white) {
            *path = (1.0 - c_sigma) * *path + rise * white;
        }
        self.updates += 1;
        let length = self.step_path.iter().map(|x| x * x).sum::<f64>().sqrt();
        let started = (1.0 - (1.0 - c_sigma).powi(2 * self.updates)).sqrt();
        let is_short = length / started < (1.4 + 2.0 / (n + 1.0)) * expected;
        let rise = if is_short { (c_path * (2.0 - c_path) * mass).sqrt() } else { 0.0 };
        for (path, moved) in self.path.iter_mut().zip(&moved) {
            *path = (1.0 - c_path) * *path + rise * moved;
        }
        let lost = if is_short { 0.0 } else { c_one * c_path * (2.0 - c_path) };
        for i in 0..d {
            for j in 0..d {
                let among: f64 =
                    steps.iter().zip(&weights).map(|(step, w)| w * step[i] * step[j]).sum();
                let entry = &mut self.covariance[i * d + j];
                *entry = (1.0 - c_one - c_mu + lost) * *entry
                    + c_one * self.path[i] * self.path[j]
                    + c_mu * among;
            }
        }
        self.step *= (c_sigma / damping * (length / expected - 1.0)).min(1.0).exp();
        self.step = self.step.min(1.0);
        self.lower.clone_from(&self.covariance);
        self.step.is_finite() && self.step > 1e-12 && cholesky(&mut self.lower, d)
    }
}

#[cfg(test)]
mod tests {
    use super::Distribution;
    use crate::random::RandomStream;

    /// Values along one axis count a thousand times as much as along the other.
    #[test]
    fn the_distribution_takes_the_shape_of_the_function() {
        let mut distribution = Distribution::new(vec![0.9, 0.1, 0.5], 0);
        for number in 0..120 {
            let mut random = RandomStream::new(1, number, "test");
            let generation: Vec<(Vec<f64>, f64)> = (0..distribution.generation())
                .map(|_| {
                    let place = distribution.draw(&mut random);
                    let value: f64 = place
                        .iter()
                        .zip([1.0, 1e3, 1e3])
                        .map(|(x, weight)| -weight * (x - 0.3).powi(2))
                        .sum();
                    (place, value)
                })
                .collect();
            assert!(distribution.update(&generation));
        }
        assert!(distribution.mean.iter().all(|mean| (mean - 0.3).abs() < 1e-4), "{distribution:?}");
        let ratio = distribution.variance(0) / distribution.variance(1);
        assert!((100.0..10_000.0).contains(&ratio), "{ratio}");
    }
}
