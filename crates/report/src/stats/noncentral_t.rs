//! The noncentral t distribution: confidence intervals of standardized differences, and power.

use super::{
    distribution::{chi_squared_cdf, chi_squared_sf, normal_cdf, normal_pdf},
    root::root,
    scaled_chi::mean_over_scaled_chi,
};

/// P(T ≤ t) with noncentrality δ.
pub(super) fn noncentral_t_cdf(t: f64, df: f64, noncentrality: f64) -> f64 {
    if t < 0.0 {
        return noncentral_t_sf(-t, df, -noncentrality);
    }
    if is_steep(t, df) {
        return over_normal(t, noncentrality, |s| chi_squared_sf(df * s * s, df), 1.0);
    }
    mean_over_scaled_chi(df, t, |s| normal_cdf(t * s - noncentrality))
}

/// P(T > t) with noncentrality δ.
pub(super) fn noncentral_t_sf(t: f64, df: f64, noncentrality: f64) -> f64 {
    if t < 0.0 {
        return noncentral_t_cdf(-t, df, -noncentrality);
    }
    if is_steep(t, df) {
        return over_normal(t, noncentrality, |s| chi_squared_cdf(df * s * s, df), 0.0);
    }
    mean_over_scaled_chi(df, t, |s| normal_cdf(noncentrality - t * s))
}

/// With T = (Z + δ) / s the two integrals are the same; the inner law must be the wider one. Here
/// the normal one would be a step.
fn is_steep(t: f64, df: f64) -> bool {
    t > 30.0 * (2.0 * df).sqrt().max(1.0)
}

/// `E P(s ≶ (Z + δ) / t)` by the trapezoidal rule; `otherwise` where Z + δ is negative.
fn over_normal(t: f64, noncentrality: f64, of_s: impl Fn(f64) -> f64, otherwise: f64) -> f64 {
    const STEP: f64 = 0.2;
    let sum: f64 = (-45..=45)
        .map(|i| {
            let z = STEP * f64::from(i);
            let s = (z + noncentrality) / t;
            normal_pdf(z) * if s > 0.0 { of_s(s) } else { otherwise }
        })
        .sum();
    STEP * sum
}

/// Confidence limits of the noncentrality for an observed t (Steiger and Fouladi 1997).
pub(super) fn noncentrality_limits(t: f64, df: f64, confidence: f64) -> [f64; 2] {
    let tail = (1.0 - confidence) / 2.0;
    // Spread of t around its noncentrality, generously.
    let reach = 40.0 * (1.0 + t * t / (2.0 * df)).sqrt();
    let low = root(t - reach, t + reach, |shift| tail - noncentral_t_sf(t, df, shift));
    let high = root(t - reach, t + reach, |shift| noncentral_t_cdf(t, df, shift) - tail);
    [low, high]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_integrals_of_the_noncentral_t_agree() {
        for (t, df, noncentrality) in [(100.0, 5.0, 90.0), (300.0, 40.0, 310.0), (80.0, 2.0, 40.0)]
        {
            assert!(is_steep(t, df) || df == 40.0);
            let outer = mean_over_scaled_chi(df, t, |s| normal_cdf(t * s - noncentrality));
            let inner = over_normal(t, noncentrality, |s| chi_squared_sf(df * s * s, df), 1.0);
            assert!((outer / inner - 1.0).abs() < 1e-9, "{t} {df}: {outer} {inner}");
            let rest = over_normal(t, noncentrality, |s| chi_squared_cdf(df * s * s, df), 0.0);
            assert!((inner + rest - 1.0).abs() < 1e-12);
        }
    }
}
