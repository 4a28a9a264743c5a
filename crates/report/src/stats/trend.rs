//! Trends over a timeline: whether a slope changed, and growth by a factor a year.

use super::{
    Coefficient, Interval, LinearFit, StatsError,
    error::{check_pairs, check_values},
    linear_regression,
};

/// How the lines before and after a break meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joint {
    /// They meet at the break.
    Continuous,
    /// Each has its own intercept.
    Free,
}

/// A slope before and one after a break.
#[derive(Clone, Debug)]
pub struct SegmentedTrend {
    /// Change of y per unit of x up to the break.
    pub before: Coefficient,
    /// The same from there on.
    pub after: Coefficient,
    /// After less before; its p-value tests whether the slope changed.
    pub change: Coefficient,
    /// Jump of y at the break; `None` if the lines meet.
    pub jump: Option<Coefficient>,
    /// The fit behind, in x less the break, and then the columns of the change.
    pub fit: LinearFit,
}

/// Compares the slopes before and after a given break by one regression with common error variance:
/// `y = b₀ + b₁ (x − c) + b₂ max(0, x − c)`, and for [`Joint::Free`] `+ b₃ [x > c]`.
///
/// The break must be chosen without looking at y: the p-value knows of no search.
///
/// # Errors
///
/// If lengths differ, a value or the break is not a number, there are too few points or distinct x
/// on a side, or y does not vary.
pub fn segmented_trend(
    x: &[f64],
    y: &[f64],
    at: f64,
    joint: Joint,
) -> Result<SegmentedTrend, StatsError> {
    check_pairs(x, y, 4)?;
    check_values("at", &[at])?;
    let from: Vec<f64> = x.iter().map(|x| x - at).collect();
    let hinge: Vec<f64> = from.iter().map(|x| x.max(0.0)).collect();
    let step: Vec<f64> = from.iter().map(|x| f64::from(u8::from(*x > 0.0))).collect();
    let columns: &[&[f64]] = match joint {
        Joint::Continuous => &[&from, &hinge],
        Joint::Free => &[&from, &hinge, &step],
    };
    let fit = linear_regression(columns, y)?;
    Ok(SegmentedTrend {
        before: fit.coefficients[1],
        after: fit.combination(&[0.0, 1.0, 1.0, 0.0][..=columns.len()]),
        change: fit.coefficients[2],
        jump: fit.coefficients.get(3).copied(),
        fit,
    })
}

/// Growth by a constant factor.
#[derive(Clone, Debug)]
pub struct ExponentialTrend {
    /// Factor per unit of x: 1.2 is growth of 20 % a year.
    pub factor: f64,
    /// Its interval.
    pub interval: Interval,
    /// Probability of a factor as far from 1 without a trend.
    pub p: f64,
    /// Units of x in which y doubles, negative if it halves; `None` if it does neither.
    pub doubling: Option<f64>,
    /// The fit of ln y behind.
    pub fit: LinearFit,
}

/// Fits `y = a · factorˣ` as a line through ln y.
///
/// # Errors
///
/// If lengths differ, there are fewer than 3 points, a value is not a number, a y is not positive, x
/// or y does not vary, or the confidence is not in (0, 1).
pub fn exponential_trend(
    x: &[f64],
    y: &[f64],
    confidence: f64,
) -> Result<ExponentialTrend, StatsError> {
    check_pairs(x, y, 3)?;
    if let Some(value) = y.iter().copied().find(|value| *value <= 0.0) {
        let parameter = "y".to_owned();
        return Err(StatsError::OutOfRange { parameter, value, expected: "a positive number" });
    }
    let logarithms: Vec<f64> = y.iter().map(|value| value.ln()).collect();
    let fit = linear_regression(&[x], &logarithms)?;
    let slope = fit.coefficients[1];
    let Interval { low, high, .. } = slope.interval(confidence)?;
    Ok(ExponentialTrend {
        factor: slope.estimate.exp(),
        interval: Interval { low: low.exp(), high: high.exp(), confidence },
        p: slope.p,
        doubling: (slope.estimate != 0.0).then(|| std::f64::consts::LN_2 / slope.estimate),
        fit,
    })
}
