//! Student's t tests.

use super::{
    Interval, StatsError,
    describe::{mean_of, variance_of},
    distribution::{t_quantile, t_two_sided},
    error::{check_confidence, check_length, check_sample, constant},
};

/// The result of a t test.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TTest {
    /// The difference divided by its standard error.
    pub t: f64,
    /// Degrees of freedom; not a whole number in Welch's test.
    pub df: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// The difference that is tested against 0, in the unit of the data.
    pub difference: f64,
    /// Its standard error.
    pub se: f64,
}

impl TTest {
    /// Confidence interval of the difference.
    ///
    /// # Errors
    ///
    /// If the confidence is not in (0, 1).
    pub fn interval(&self, confidence: f64) -> Result<Interval, StatsError> {
        check_confidence(confidence)?;
        let margin = t_quantile((1.0 + confidence) / 2.0, self.df) * self.se;
        Ok(Interval::around(self.difference, margin, confidence))
    }

    fn new(difference: f64, se: f64, df: f64) -> Self {
        let t = difference / se;
        Self { t, df, p: t_two_sided(t, df), difference, se }
    }
}

/// Tests whether the means of two samples differ (a minus b), with unequal variances (Welch 1947).
///
/// Degrees of freedom by Satterthwaite: `(va + vb)² / (va²/(n−1) + vb²/(m−1))` with `v` the squared
/// standard error of each mean.
///
/// # Errors
///
/// If a sample has fewer than 2 values, one is not a number, or neither sample varies.
pub fn welch_t(a: &[f64], b: &[f64]) -> Result<TTest, StatsError> {
    check_sample("a", a, 2)?;
    check_sample("b", b, 2)?;
    let (n, m) = (a.len() as f64, b.len() as f64);
    let (va, vb) = (variance_of(a) / n, variance_of(b) / m);
    if va + vb == 0.0 {
        return Err(constant("a and b"));
    }
    let df = (va + vb).powi(2) / (va * va / (n - 1.0) + vb * vb / (m - 1.0));
    Ok(TTest::new(mean_of(a) - mean_of(b), (va + vb).sqrt(), df))
}

/// Tests whether the mean of the differences of pairs (a minus b) is 0.
///
/// # Errors
///
/// If lengths differ, there are fewer than 2 pairs, a value is not a number, or the differences do
/// not vary.
pub fn paired_t(a: &[f64], b: &[f64]) -> Result<TTest, StatsError> {
    check_sample("a", a, 2)?;
    check_sample("b", b, 2)?;
    check_length("b", b.len(), a.len())?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    one_sample("differences", &differences, 0.0)
}

/// Tests whether the mean of a sample is a given value; the difference is the mean minus that value.
///
/// # Errors
///
/// If there are fewer than 2 values, one or the given mean is not a number, or they do not vary.
pub fn one_sample_t(values: &[f64], mean: f64) -> Result<TTest, StatsError> {
    one_sample("values", values, mean)
}

fn one_sample(name: &str, values: &[f64], mean: f64) -> Result<TTest, StatsError> {
    check_sample(name, values, 2)?;
    if !mean.is_finite() {
        let parameter = "mean".to_owned();
        return Err(StatsError::OutOfRange { parameter, value: mean, expected: "a finite number" });
    }
    let n = values.len() as f64;
    let se = (variance_of(values) / n).sqrt();
    if se == 0.0 {
        return Err(constant(name));
    }
    Ok(TTest::new(mean_of(values) - mean, se, n - 1.0))
}
