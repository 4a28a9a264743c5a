//! Lines that are robust against outliers.

use crate::stats::{
    Interval, StatsError,
    describe::type_7,
    distribution::normal_quantile,
    error::{check_confidence, check_pairs, constant},
    order::{sorted, tie_sizes},
};

/// A line through data.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Slope {
    /// Change of y per unit of x.
    pub slope: f64,
    /// Median of y − slope · x.
    pub intercept: f64,
    /// Confidence interval of the slope (Sen 1968).
    pub interval: Interval,
}

/// The median of the slopes of all pairs with its 95 % interval.
///
/// As [`theil_sen_within`] with a confidence of 0.95.
///
/// # Errors
///
/// If lengths differ, there are fewer than 2 pairs, a value is not a number, or x does not vary.
pub fn theil_sen(x: &[f64], y: &[f64]) -> Result<Slope, StatsError> {
    theil_sen_within(x, y, 0.95)
}

/// The median of the slopes of all pairs (Theil 1950, Sen 1968); pairs of equal x are left out.
///
/// The interval's limits are the slopes whose ranks are `(N ∓ z σ) / 2` among all `N`, with the
/// variance `σ²` of Kendall's S with ties (Sen 1968, section 4). With few points it reaches from the
/// smallest to the largest slope, at less than the stated confidence.
///
/// # Errors
///
/// As [`theil_sen`], or if the confidence is not in (0, 1).
pub fn theil_sen_within(x: &[f64], y: &[f64], confidence: f64) -> Result<Slope, StatsError> {
    check_pairs(x, y, 2)?;
    check_confidence(confidence)?;
    let mut slopes = Vec::with_capacity(x.len() * (x.len() - 1) / 2);
    for i in 0..x.len() {
        for j in i + 1..x.len() {
            if x[i] != x[j] {
                slopes.push((y[j] - y[i]) / (x[j] - x[i]));
            }
        }
    }
    if slopes.is_empty() {
        return Err(constant("x"));
    }
    slopes.sort_by(f64::total_cmp);
    let slope = type_7(&slopes, 0.5);
    let rests: Vec<f64> = x.iter().zip(y).map(|(x, y)| y - slope * x).collect();
    let five =
        |values: &[f64]| -> f64 { values.iter().map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum() };
    let variance = (five(&[x.len() as f64]) - five(&tie_sizes(x)) - five(&tie_sizes(y))) / 18.0;
    let margin = normal_quantile((1.0 + confidence) / 2.0) * variance.max(0.0).sqrt();
    let count = slopes.len() as f64;
    // Half to even, as SciPy rounds.
    let low = ((count - margin) / 2.0).round_ties_even() - 1.0;
    let high = ((count + margin) / 2.0).round_ties_even();
    let at = |rank: f64| slopes[rank.clamp(0.0, count - 1.0) as usize];
    Ok(Slope {
        slope,
        intercept: type_7(&sorted(&rests), 0.5),
        interval: Interval { low: at(low), high: at(high), confidence },
    })
}
