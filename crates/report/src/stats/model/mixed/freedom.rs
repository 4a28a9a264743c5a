//! Satterthwaite's degrees of freedom of combinations of fixed effects.

use super::{
    super::symmetric::eigen,
    derivative::{hessian, partial},
    likelihood::{Fit, System},
};

/// What the degrees of freedom follow from: how the covariance of the coefficients depends on the parameters of
/// the variances, and how exactly these are known.
pub(super) struct Freedom {
    /// Covariance of the coefficients of the basis, row by row.
    covariance: Vec<f64>,
    /// Its derivatives after each parameter.
    derivatives: Vec<Vec<f64>>,
    /// Covariance of the parameters, row by row.
    of_parameters: Vec<f64>,
    size: usize,
}

impl Freedom {
    /// `None` if the model cannot be fitted near its best parameters.
    pub(super) fn new(system: &System<'_>, theta: &[f64], sigma: f64) -> Option<Self> {
        let mut parameters = theta.to_vec();
        parameters.push(sigma);
        let split = |parameters: &[f64]| {
            let (sigma, theta) = parameters.split_last()?;
            Some((system.fit(theta)?, *sigma))
        };
        let criterion = |parameters: &[f64]| {
            split(parameters).map(|(fit, sigma)| system.criterion_with(&fit, sigma))
        };
        let covariance =
            |parameters: &[f64]| split(parameters).map(|(fit, sigma)| covariance(&fit, sigma));
        let count = parameters.len();
        let (values, vectors) = eigen(&hessian(criterion, &parameters)?, count);
        let largest = values.iter().copied().fold(0.0, f64::max);
        // 2 H⁻¹ over the directions in which the likelihood has a maximum, as in lmerTest.
        let mut of_parameters = vec![0.0; count * count];
        for (value, vector) in
            values.iter().zip(&vectors).filter(|(value, _)| **value > 1e-8 * largest)
        {
            for i in 0..count {
                for j in 0..count {
                    of_parameters[i * count + j] += 2.0 * vector[i] * vector[j] / value;
                }
            }
        }
        let derivatives = (0..count)
            .map(|argument| partial(covariance, &parameters, argument))
            .collect::<Option<_>>()?;
        let covariance = covariance(&parameters)?;
        let size = covariance.len().isqrt();
        Some(Self { covariance, derivatives, of_parameters, size })
    }

    fn quadratic(&self, matrix: &[f64], x: &[f64]) -> f64 {
        let rows = matrix.chunks_exact(self.size);
        rows.zip(x).map(|(row, x_i)| x_i * row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>()).sum()
    }

    /// Degrees of freedom of a combination of the basis' coefficients.
    pub(super) fn of(&self, x: &[f64]) -> f64 {
        let variance = self.quadratic(&self.covariance, x);
        let gradient: Vec<f64> =
            self.derivatives.iter().map(|matrix| self.quadratic(matrix, x)).collect();
        let count = gradient.len();
        let rows = self.of_parameters.chunks_exact(count);
        let spread: f64 = rows
            .zip(&gradient)
            .map(|(row, g)| g * row.iter().zip(&gradient).map(|(a, b)| a * b).sum::<f64>())
            .sum();
        2.0 * variance * variance / spread
    }

    /// F of several combinations together, and the degrees of freedom of its denominator.
    pub(super) fn f_test(&self, fit: &Fit, contrasts: &[Vec<f64>]) -> (f64, f64) {
        let q = contrasts.len();
        let mut matrix = vec![0.0; q * q];
        for (i, a) in contrasts.iter().enumerate() {
            for (j, b) in contrasts.iter().enumerate() {
                let rows = self.covariance.chunks_exact(self.size);
                let product: f64 = rows
                    .zip(a)
                    .map(|(row, a)| a * row.iter().zip(b).map(|(x, y)| x * y).sum::<f64>())
                    .sum();
                matrix[i * q + j] = product;
            }
        }
        let (values, vectors) = eigen(&matrix, q);
        let mut f = 0.0;
        let mut freedoms = Vec::with_capacity(q);
        for (value, vector) in values.iter().zip(&vectors) {
            let mut x = vec![0.0; self.size];
            for (weight, contrast) in vector.iter().zip(contrasts) {
                x.iter_mut().zip(contrast).for_each(|(x, part)| *x += weight * part);
            }
            let estimate: f64 = x.iter().zip(&fit.coefficients).map(|(a, b)| a * b).sum();
            f += estimate * estimate / value / q as f64;
            freedoms.push(self.of(&x));
        }
        (f, combined(&freedoms))
    }
}

/// The degrees of freedom of an F whose parts are squares of t with these (Fai and Cornelius 1996, Journal of
/// Statistical Computation and Simulation 54:363).
fn combined(freedoms: &[f64]) -> f64 {
    let q = freedoms.len() as f64;
    let mean = freedoms.iter().sum::<f64>() / q;
    if freedoms.windows(2).all(|pair| (pair[0] - pair[1]).abs() < 1e-8) {
        return mean;
    }
    if freedoms.iter().any(|freedom| *freedom <= 2.0) {
        return 2.0;
    }
    let expected: f64 = freedoms.iter().map(|freedom| freedom / (freedom - 2.0)).sum();
    2.0 * expected / (expected - q)
}

fn covariance(fit: &Fit, sigma: f64) -> Vec<f64> {
    let size = fit.coefficients.len();
    let units: Vec<Vec<f64>> =
        (0..size).map(|i| (0..size).map(|j| f64::from(u8::from(i == j))).collect()).collect();
    let pairs = units.iter().flat_map(|a| units.iter().map(move |b| (a, b)));
    pairs.map(|(a, b)| fit.covariance(a, b) * sigma * sigma).collect()
}
