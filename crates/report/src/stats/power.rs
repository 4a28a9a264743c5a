//! Power and sample size of a t test.

use super::{
    StatsError,
    distribution::t_quantile,
    error::{check_confidence, check_count, check_finite},
    noncentral_t::{noncentral_t_cdf, noncentral_t_sf},
};

/// Largest sample size that is tried.
const MOST: usize = 1_000_000;

/// Power of a two-sided two-sample t test with `n` observations per group for a difference of `d`
/// standard deviations, from the noncentral t (Cohen 1988).
///
/// # Errors
///
/// If d is not a number, there are fewer than 2 observations per group, or alpha is not in (0, 1).
pub fn t_test_power(d: f64, n: usize, alpha: f64) -> Result<f64, StatsError> {
    check_confidence(1.0 - alpha)?;
    check_finite("d", &[d])?;
    check_count("observations a group", n, 2)?;
    let df = 2.0 * n as f64 - 2.0;
    let noncentrality = d * (n as f64 / 2.0).sqrt();
    let critical = t_quantile(1.0 - alpha / 2.0, df);
    let either = noncentral_t_sf(critical, df, noncentrality)
        + noncentral_t_cdf(-critical, df, noncentrality);
    Ok(either.min(1.0))
}

/// Smallest number of observations per group with which [`t_test_power`] reaches a power.
///
/// # Errors
///
/// If d is 0 or not a number, alpha or the power is not in (0, 1), or a million observations are too few.
pub fn t_test_sample_size(d: f64, power: f64, alpha: f64) -> Result<usize, StatsError> {
    let bad = |parameter: &str, value, expected| {
        Err(StatsError::OutOfRange { parameter: parameter.to_owned(), value, expected })
    };
    if !(power > 0.0 && power < 1.0) {
        return bad("power", power, "a share between 0 and 1, such as 0.8");
    }
    if t_test_power(d, MOST, alpha)? < power {
        return bad("d", d, "a difference that a million observations a group can find");
    }
    let (mut low, mut high) = (1, MOST);
    while high - low > 1 {
        let middle = low.midpoint(high);
        if t_test_power(d, middle, alpha)? < power {
            low = middle;
        } else {
            high = middle;
        }
    }
    Ok(high)
}
