//! Covariance of two points.

/// The squared exponential kernel of length 1, scikit-learn's default.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rbf;

impl Rbf {
    pub(crate) fn covariance(self, a: &[f64], b: &[f64]) -> f64 {
        let squared: f64 = a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum();
        (-0.5 * squared).exp()
    }
}
