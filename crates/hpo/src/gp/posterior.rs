//! A Gaussian process with a fixed kernel, conditioned on observations.

use super::{
    dense::{cholesky, dot, forward},
    kernel::Rbf,
};

/// A process with the squared exponential kernel.
pub(crate) struct Posterior {
    points: Vec<Vec<f64>>,
    /// Lower Cholesky factor, row by row.
    lower: Vec<f64>,
    weights: Vec<f64>,
}

impl Posterior {
    /// Conditions a process with zero mean on values. If the covariance is singular in floating point,
    /// the noise is raised tenfold until it is not. `None` without points.
    pub(crate) fn new(points: Vec<Vec<f64>>, values: &[f64], noise: f64) -> Option<Self> {
        let n = points.len();
        if n == 0 {
            return None;
        }
        let mut covariance = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..=i {
                covariance[i * n + j] = Rbf.covariance(&points[i], &points[j]);
            }
        }
        let mut noise = noise;
        let lower = loop {
            let mut matrix = covariance.clone();
            (0..n).for_each(|i| matrix[i * n + i] += noise);
            if cholesky(&mut matrix, n) {
                break matrix;
            }
            noise *= 10.0;
            if noise > 1.0 {
                return None;
            }
        };
        let mut weights = values.to_vec();
        forward(&lower, n, &mut weights);
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| lower[k * n + i] * weights[k]).sum();
            weights[i] = (weights[i] - dot) / lower[i * n + i];
        }
        Some(Self { points, lower, weights })
    }

    /// Posterior mean and variance at a point.
    pub(crate) fn at(&self, point: &[f64]) -> (f64, f64) {
        let mut cross: Vec<f64> =
            self.points.iter().map(|other| Rbf.covariance(other, point)).collect();
        let mean = cross.iter().zip(&self.weights).map(|(k, w)| k * w).sum();
        forward(&self.lower, self.points.len(), &mut cross);
        (mean, (1.0 - dot(&cross, &cross)).max(1e-12))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_posterior_mean_equals_the_observations() {
        let points: Vec<Vec<f64>> = (0..6).map(|index| vec![f64::from(index)]).collect();
        let values: Vec<f64> = points.iter().map(|point| point[0].sin()).collect();
        let posterior = Posterior::new(points.clone(), &values, 1e-10).unwrap();
        for (point, value) in points.iter().zip(&values) {
            let (mean, variance) = posterior.at(point);
            assert!((mean - value).abs() < 1e-6 && variance < 1e-6, "{mean} {value} {variance}");
        }
        let (_, far) = posterior.at(&[19.0]);
        assert!((far - 1.0).abs() < 1e-6);
    }

    #[test]
    fn identical_observations_are_allowed() {
        let points = vec![vec![0.5, 0.5]; 8];
        let posterior = Posterior::new(points, &[1.0; 8], 1e-10).unwrap();
        let (mean, _) = posterior.at(&[0.5, 0.5]);
        assert!((mean - 1.0).abs() < 1e-3, "{mean}");
    }
}
