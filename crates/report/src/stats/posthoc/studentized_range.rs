//! The studentized range: the range of k normal values in units of an estimated standard deviation.

use crate::stats::{
    StatsError,
    distribution::{normal_cdf, normal_pdf},
    error::check_confidence,
    root::root,
    scaled_chi::mean_over_scaled_chi,
};

/// P(Q > q) of the studentized range of `groups` means with `df` degrees of freedom of the error.
///
/// `1 − P` is the mean over `s = √(χ²_ν / ν)` of `k ∫ φ(z) (Φ(z) − Φ(z − qs))^{k−1} dz` (Tukey 1953;
/// Copenhaver and Holland 1988); here the complement is integrated, so that small tails keep their
/// digits. Relative error below 1e-8.
///
/// # Errors
///
/// If q is negative or not a number, there are fewer than 2 groups, or df is below 0.1.
pub fn studentized_range_sf(q: f64, groups: usize, df: f64) -> Result<f64, StatsError> {
    let check = |name: &str, value: f64, good: bool, expected| {
        let parameter = name.to_owned();
        if good { Ok(()) } else { Err(StatsError::OutOfRange { parameter, value, expected }) }
    };
    check("q", q, q >= 0.0 && q.is_finite(), "a finite number from 0 on")?;
    check("groups", groups as f64, groups >= 2, "at least 2")?;
    check("df", df, df >= 0.1, "at least 0.1")?;
    Ok(sf(q, groups, df))
}

/// The q that is exceeded with probability `1 − confidence`.
///
/// # Errors
///
/// As [`studentized_range_sf`], or if the confidence is not in (0, 1).
pub fn studentized_range_quantile(
    confidence: f64,
    groups: usize,
    df: f64,
) -> Result<f64, StatsError> {
    check_confidence(confidence)?;
    studentized_range_sf(0.0, groups, df)?;
    let mut high = 4.0;
    while sf(high, groups, df) > 1.0 - confidence && high < 1e12 {
        high *= 2.0;
    }
    Ok(root(0.0, high, |q| sf(q, groups, df) - (1.0 - confidence)))
}

fn sf(q: f64, groups: usize, df: f64) -> f64 {
    if q == 0.0 {
        return 1.0;
    }
    let of_range = |s: f64| range_sf(q * s, groups);
    // From here on the density of s is a spike of no width.
    if df > 1e12 {
        return of_range(1.0);
    }
    // The sharpest integrand needs small steps only where little is left of it: elsewhere the step of
    // the density is exact to 1e-8 (1e-10 up to ten groups).
    let coarse = mean_over_scaled_chi(df, 0.0, of_range);
    if coarse > 1e-4 {
        return coarse.min(1.0);
    }
    // The range's tail falls like a normal law's at q s / √2, which matters up to 60 / √2.
    mean_over_scaled_chi(df, q.min(60.0) / std::f64::consts::SQRT_2, of_range)
}

/// P(range of k standard normal values > w) =
/// `k ∫ φ(z) (Φ(z)^{k−1} − (Φ(z) − Φ(z − w))^{k−1}) dz`, z the largest of them.
fn range_sf(w: f64, groups: usize) -> f64 {
    const STEP: f64 = 0.3;
    if w > 60.0 {
        return 0.0; // below the smallest number
    }
    let power = i32::try_from(groups - 1).unwrap_or(i32::MAX);
    // The largest value is beyond ±9 hardly ever; in the tail it lies around w / 2.
    let (low, high) = (-9.0, 9.0 + w / 2.0);
    let steps = ((high - low) / STEP).ceil() as u32;
    let sum: f64 = (0..=steps)
        .map(|i| {
            let z = low + STEP * f64::from(i);
            // a^m − b^m = (a^m) (1 − (1 − c)^m) with c the share cut off.
            let below = normal_cdf(z);
            let cut = (normal_cdf(z - w) / below).min(1.0);
            let whole = below.powi(power);
            let share = if cut < 1.0 { -(f64::from(power) * (-cut).ln_1p()).exp_m1() } else { 1.0 };
            normal_pdf(z) * whole * share
        })
        .sum();
    (groups as f64 * STEP * sum).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the larger steps are good for.
    #[test]
    fn coarse_integration_steps_agree_with_fine_ones() {
        for groups in [2, 3, 8, 40] {
            for df in [1.0, 2.5, 7.0, 60.0, 3000.0] {
                for q in [0.1, 1.0, 3.0, 4.5, 8.0, 30.0, 900.0] {
                    let of_range = |s: f64| range_sf(q * s, groups);
                    let coarse = mean_over_scaled_chi(df, 0.0, of_range);
                    let fine = mean_over_scaled_chi(df, q.min(60.0), of_range);
                    let error = (coarse / fine - 1.0).abs();
                    let most = if groups > 10 { 1e-8 } else { 1e-10 };
                    assert!(coarse < 1e-4 || error < most, "{groups} {df} {q}: {error:e}");
                }
            }
        }
    }
}
