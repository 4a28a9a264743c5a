//! What a Gaussian process knows after some observations.

use super::Kernel;

/// A fitted process.
pub(crate) struct Posterior<K> {
    points: Vec<Vec<f64>>,
    kernel: K,
    /// Lower Cholesky factor, row by row.
    lower: Vec<f64>,
    weights: Vec<f64>,
    /// `yᵀ K⁻¹ y / 2 + ln √|K|`: the negative log likelihood but for a constant.
    pub(crate) cost: f64,
}

impl<K: Kernel> Posterior<K> {
    /// Of values with zero mean. Where the covariance is singular in floating point, the noise is
    /// raised tenfold until it is not. `None` of no points.
    pub(crate) fn new(
        points: Vec<Vec<f64>>,
        values: &[f64],
        kernel: K,
        noise: f64,
    ) -> Option<Self> {
        let n = points.len();
        if n == 0 {
            return None;
        }
        let mut covariance = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                covariance[i * n + j] = kernel.covariance(&points[i], &points[j]);
            }
        }
        let mut noise = noise;
        let lower = loop {
            let mut matrix = covariance.clone();
            (0..n).for_each(|i| matrix[i * n + i] += noise);
            if let Some(lower) = cholesky(matrix, n) {
                break lower;
            }
            noise *= 10.0;
            if noise > 1.0 {
                return None;
            }
        };
        let mut weights = values.to_vec();
        forward(&lower, n, &mut weights);
        let quadratic: f64 = weights.iter().map(|it| it * it).sum();
        let log_root: f64 = (0..n).map(|i| lower[i * n + i].ln()).sum();
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| lower[k * n + i] * weights[k]).sum();
            weights[i] = (weights[i] - dot) / lower[i * n + i];
        }
        Some(Self { points, kernel, lower, weights, cost: 0.5 * quadratic + log_root })
    }

    /// Mean and variance at a point.
    pub(crate) fn at(&self, point: &[f64]) -> (f64, f64) {
        let mut cross: Vec<f64> =
            self.points.iter().map(|it| self.kernel.covariance(it, point)).collect();
        let mean = cross.iter().zip(&self.weights).map(|(k, w)| k * w).sum();
        forward(&self.lower, self.points.len(), &mut cross);
        let explained: f64 = cross.iter().map(|it| it * it).sum();
        (mean, (1.0 - explained).max(1e-12))
    }
}

/// Lower factor of a symmetric matrix given by its lower half; `None` if it is not positive
/// definite.
fn cholesky(mut matrix: Vec<f64>, n: usize) -> Option<Vec<f64>> {
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| matrix[i * n + k] * matrix[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            if i != j {
                matrix[i * n + j] = rest / matrix[j * n + j];
            } else if rest > 1e-14 {
                matrix[i * n + i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(matrix)
}

/// Solves `L x = b` in place.
fn forward(lower: &[f64], n: usize, b: &mut [f64]) {
    for i in 0..n {
        let dot: f64 = lower[i * n..i * n + i].iter().zip(b.iter()).map(|(l, x)| l * x).sum();
        b[i] = (b[i] - dot) / lower[i * n + i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gp::{Matern, Rbf};

    #[test]
    fn the_mean_goes_through_the_observations() {
        let points: Vec<Vec<f64>> = (0..6).map(|it| vec![f64::from(it) / 5.0]).collect();
        let values: Vec<f64> = points.iter().map(|it| (it[0] * 7.0).sin()).collect();
        let kernel = Matern { lengths: vec![0.3] };
        let posterior = Posterior::new(points.clone(), &values, kernel, 1e-10).unwrap();
        for (point, value) in points.iter().zip(&values) {
            let (mean, variance) = posterior.at(point);
            assert!((mean - value).abs() < 1e-6 && variance < 1e-6, "{mean} {value} {variance}");
        }
        let (_, far) = posterior.at(&[9.0]);
        assert!((far - 1.0).abs() < 1e-6);
    }

    #[test]
    fn identical_observations_are_no_problem() {
        let points = vec![vec![0.5, 0.5]; 8];
        let posterior = Posterior::new(points, &[1.0; 8], Rbf, 1e-10).unwrap();
        let (mean, _) = posterior.at(&[0.5, 0.5]);
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
    }
}
