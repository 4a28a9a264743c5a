//! Descriptive statistics.

use super::{
    StatsError,
    error::{check_sample, is_constant},
    order::sorted,
};

/// Location and spread of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// Number of observations.
    pub n: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n − 1); `None` for one observation.
    pub sd: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// First quartile, by [`quantile`].
    pub q1: f64,
    /// Median.
    pub median: f64,
    /// Third quartile, by [`quantile`].
    pub q3: f64,
    /// Largest value.
    pub max: f64,
}

/// Describes a sample: mean, standard deviation and Tukey's five numbers (quartiles of type 7).
///
/// # Errors
///
/// If there is no value, or one is not a number.
pub fn describe(values: &[f64]) -> Result<Description, StatsError> {
    check_sample("values", values, 1)?;
    let sorted = sorted(values);
    let at = |share| type_7(&sorted, share);
    Ok(Description {
        n: values.len(),
        mean: mean_of(values),
        sd: (values.len() > 1).then(|| variance_of(values).sqrt()),
        min: at(0.0),
        q1: at(0.25),
        median: at(0.5),
        q3: at(0.75),
        max: at(1.0),
    })
}

/// Arithmetic mean.
///
/// # Errors
///
/// If there is no value, or one is not a number.
pub fn mean(values: &[f64]) -> Result<f64, StatsError> {
    check_sample("values", values, 1)?;
    Ok(mean_of(values))
}

/// Sample variance, `Σ (x − mean)² / (n − 1)`, in two passes.
///
/// # Errors
///
/// If there are fewer than 2 values, or one is not a number.
pub fn variance(values: &[f64]) -> Result<f64, StatsError> {
    check_sample("values", values, 2)?;
    Ok(variance_of(values))
}

/// Sample standard deviation, the root of [`variance`].
///
/// # Errors
///
/// If there are fewer than 2 values, or one is not a number.
pub fn standard_deviation(values: &[f64]) -> Result<f64, StatsError> {
    variance(values).map(f64::sqrt)
}

/// The middle value, or the mean of the two middle values.
///
/// # Errors
///
/// If there is no value, or one is not a number.
pub fn median(values: &[f64]) -> Result<f64, StatsError> {
    quantile(values, 0.5)
}

/// The value below which a share of the sample is: linear interpolation at `(n − 1) · share`, type
/// 7 of Hyndman and Fan (1996), the default of R and NumPy.
///
/// # Errors
///
/// If there is no value, one is not a number, or the share is outside [0, 1].
pub fn quantile(values: &[f64], share: f64) -> Result<f64, StatsError> {
    check_sample("values", values, 1)?;
    if !(0.0..=1.0).contains(&share) {
        return Err(StatsError::OutOfRange {
            parameter: "share".to_owned(),
            value: share,
            expected: "a share from 0 to 1",
        });
    }
    Ok(type_7(&sorted(values), share))
}

/// A sample's quantile; the values are sorted and not empty.
pub(super) fn type_7(sorted: &[f64], share: f64) -> f64 {
    let position = (sorted.len() - 1) as f64 * share;
    let below = position.floor() as usize;
    let above = position.ceil() as usize;
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// The mean of at least one value, corrected by the mean of the rounding errors.
pub(super) fn mean_of(values: &[f64]) -> f64 {
    if is_constant(values) {
        return values[0]; // exactly, so that equal values have no variance
    }
    let n = values.len() as f64;
    let rough = values.iter().sum::<f64>() / n;
    rough + values.iter().map(|value| value - rough).sum::<f64>() / n
}

/// The variance of at least two values.
pub(super) fn variance_of(values: &[f64]) -> f64 {
    deviation_squares(values) / (values.len() - 1) as f64
}

/// `Σ (x − mean)²`.
pub(super) fn deviation_squares(values: &[f64]) -> f64 {
    let mean = mean_of(values);
    values.iter().map(|value| (value - mean).powi(2)).sum()
}
