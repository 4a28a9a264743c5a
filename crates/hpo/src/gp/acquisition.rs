//! Acquisition functions: how promising a point is.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// ln Φ(z), without underflow.
pub(crate) fn log_normal_cdf(z: f64) -> f64 {
    if z > -5.0 {
        return (0.5 * libm::erfc(-z * FRAC_1_SQRT_2)).ln();
    }
    let x = -z;
    -0.5 * z * z - 0.5 * (2.0 * PI).ln() - (x + inverse_mills_excess(x)).ln()
}

/// φ(x)/Φ(−x) − x for large x, as a continued fraction (Abramowitz and Stegun 26.2.14).
fn inverse_mills_excess(x: f64) -> f64 {
    1.0 / (2..=40).rev().fold(x, |sum, k| x + f64::from(k) / sum)
}

/// Logarithm of the expected improvement of a normal value over `best` (Ament et al. 2023,
/// "Unexpected improvements to expected improvement", equation 9): EI = σ (φ(z) + z Φ(z)).
pub(crate) fn log_expected_improvement(mean: f64, deviation: f64, best: f64) -> f64 {
    deviation.ln() + log_h((mean - best) / deviation).0
}

/// The expected improvement, and its slopes along mean and deviation.
pub(crate) fn expected_improvement(mean: f64, deviation: f64, best: f64) -> [f64; 3] {
    let z = (mean - best) / deviation;
    let below = log_normal_cdf(z).exp();
    let density = (-0.5 * z * z - 0.5 * (2.0 * PI).ln()).exp();
    [deviation * log_h(z).0.exp(), below, density]
}

/// The log expected improvement from mean, variance and their gradients; its gradient goes to `slope`.
pub(crate) fn log_expected_improvement_slope(
    (mean, mean_slope): (f64, &[f64]),
    (variance, variance_slope): (f64, &[f64]),
    best: f64,
    slope: &mut [f64],
) -> f64 {
    let deviation = variance.sqrt();
    let z = (mean - best) / deviation;
    let (log_h, rise) = log_h(z);
    for ((slope, mean_slope), variance_slope) in
        slope.iter_mut().zip(mean_slope).zip(variance_slope)
    {
        let relative = variance_slope / (2.0 * variance);
        *slope = relative + rise * (mean_slope / deviation - z * relative);
    }
    deviation.ln() + log_h
}

/// ln h(z) of h(z) = φ(z) + z Φ(z), and its slope Φ(z) / h(z).
fn log_h(z: f64) -> (f64, f64) {
    let log_density = -0.5 * z * z - 0.5 * (2.0 * PI).ln();
    if z > -5.0 {
        let (density, below) = (log_density.exp(), log_normal_cdf(z).exp());
        let h = density + z * below;
        return (h.ln(), below / h);
    }
    // φ + zΦ = φ (1 − x Φ/φ) with x = −z, without the cancellation.
    let excess = inverse_mills_excess(-z);
    (log_density + (excess / (excess - z)).ln(), 1.0 / excess)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.norm.logcdf
    #[test]
    fn the_log_cdf_agrees_with_scipy() {
        for (z, expected) in [
            (0.0, -std::f64::consts::LN_2),
            (-3.0, -6.607_726_221_510_343),
            (-10.0, -53.231_285_150_512_47),
        ] {
            let found = log_normal_cdf(z);
            assert!((found - expected).abs() < 1e-9, "{z}: {found}");
        }
    }

    #[test]
    fn the_expected_improvement_rises_with_the_mean_and_is_continuous() {
        let at = |z: f64| log_expected_improvement(z, 1.0, 0.0);
        // EI(0) = φ(0).
        assert!((at(0.0) - (1.0 / (2.0 * PI).sqrt()).ln()).abs() < 1e-12);
        let values: Vec<f64> = (-400..100).map(|tenths| at(f64::from(tenths) / 10.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
        assert!((at(-5.000_001) - at(-4.999_999)).abs() < 2e-5);
    }
}
