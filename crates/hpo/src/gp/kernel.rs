//! Covariance of two points; both kernels have variance 1 at distance 0.

pub(crate) trait Kernel {
    fn covariance(&self, a: &[f64], b: &[f64]) -> f64;
}

/// Squared exponential of length 1: scikit-learn's default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rbf;

impl Kernel for Rbf {
    fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        (-0.5 * squared).exp()
    }
}

/// Matérn 5/2 with a length for each dimension.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Matern {
    pub(crate) lengths: Vec<f64>,
}

impl Kernel for Matern {
    fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let squared: f64 = a
            .iter()
            .zip(b)
            .zip(&self.lengths)
            .map(|((a, b), length)| ((a - b) / length).powi(2))
            .sum();
        let r = (5.0 * squared).sqrt();
        (1.0 + r + r * r / 3.0) * (-r).exp()
    }
}
