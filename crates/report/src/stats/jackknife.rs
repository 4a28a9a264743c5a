//! Intervals from leaving out one unit at a time.

use super::{
    Interval, StatsError,
    describe::variance_of,
    distribution::t_quantile,
    error::{check_confidence, check_sample},
};

/// The interval of a smooth statistic of n units: the statistic ± t · standard error, with n − 1 degrees of freedom
/// (Tukey 1958; Efron and Tibshirani 1993, chapter 11).
///
/// `without` has the statistic without each of the units. The standard error is
/// `√((n − 1) / n · Σ (without − mean)²)`. Of a mean, this is Student's interval. Do not use it for medians and other
/// statistics that jump when a unit is left out; resample those.
///
/// # Errors
///
/// If there are fewer than 2 units, a value is not a number, or the confidence is not in (0, 1).
pub fn jackknife_interval(
    statistic: f64,
    without: &[f64],
    confidence: f64,
) -> Result<Interval, StatsError> {
    check_confidence(confidence)?;
    check_sample("statistic", &[statistic], 1)?;
    check_sample("without", without, 2)?;
    let n = without.len() as f64;
    // The variance has the divisor n − 1.
    let se = ((n - 1.0) * (n - 1.0) / n * variance_of(without)).sqrt();
    let margin = t_quantile((1.0 + confidence) / 2.0, n - 1.0) * se;
    Ok(Interval::around(statistic, margin, confidence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_mean_it_is_students_interval() {
        let values = [3.0, 5.0, 4.0, 8.0, 6.5];
        let sum: f64 = values.iter().sum();
        let without: Vec<f64> = values.iter().map(|value| (sum - value) / 4.0).collect();
        let found = jackknife_interval(sum / 5.0, &without, 0.95).unwrap();
        // scipy.stats.t.interval(0.95, 4, mean, sem)
        let expected = [2.832_241_611_599_78, 7.767_758_388_400_22];
        assert!((found.low - expected[0]).abs() < 1e-10, "{found:?}");
        assert!((found.high - expected[1]).abs() < 1e-10, "{found:?}");
    }
}
