//! Student's t when there is an effect: intervals of standardized differences, and power.

use super::{distribution::normal_cdf, root::root, scaled_chi::mean_over_scaled_chi};

/// P(T ≤ t) with noncentrality δ: `E Φ(t s − δ)` over `s = √(χ²_ν / ν)`.
pub(super) fn noncentral_t_cdf(t: f64, df: f64, noncentrality: f64) -> f64 {
    mean_over_scaled_chi(df, t.abs(), |s| normal_cdf(t * s - noncentrality))
}

/// P(T > t).
pub(super) fn noncentral_t_sf(t: f64, df: f64, noncentrality: f64) -> f64 {
    mean_over_scaled_chi(df, t.abs(), |s| normal_cdf(noncentrality - t * s))
}

/// The noncentralities between which an observed t leaves the confidence (Steiger and Fouladi 1997).
pub(super) fn noncentrality_limits(t: f64, df: f64, confidence: f64) -> [f64; 2] {
    let tail = (1.0 - confidence) / 2.0;
    // Spread of t around its noncentrality, generously.
    let reach = 40.0 * (1.0 + t * t / (2.0 * df)).sqrt();
    let low = root(t - reach, t + reach, |it| tail - noncentral_t_sf(t, df, it));
    let high = root(t - reach, t + reach, |it| noncentral_t_cdf(t, df, it) - tail);
    [low, high]
}
