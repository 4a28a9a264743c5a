//! Tukey's honestly significant difference.

use std::f64::consts::SQRT_2;

use super::{
    PairComparison, pairs,
    studentized_range::{studentized_range_quantile, studentized_range_sf},
};
use crate::stats::{
    Factor, Interval, StatsError,
    describe::{deviation_squares, mean_of},
    error::{check_confidence, constant},
};

/// Compares the means of all pairs of levels with one pooled variance (Tukey 1953; Kramer 1956 for
/// unequal counts).
///
/// `se = √(MSE (1/nₐ + 1/n_b))`, `q = √2 |t|` against the studentized range of all levels. For the
/// cells of several factors pass [`Factor::crossed`]. The intervals are simultaneous over all differences.
///
/// # Errors
///
/// If lengths differ, a value is not a number, a level has no observation, no level has two, none
/// varies, or the confidence is not in (0, 1).
pub fn tukey_hsd(
    response: &[f64],
    factor: &Factor,
    confidence: f64,
) -> Result<Vec<PairComparison>, StatsError> {
    check_confidence(confidence)?;
    let groups = factor.split(response)?;
    let count = groups.len();
    if response.len() <= count {
        let observations = response.len();
        return Err(StatsError::NoResidual { observations, parameters: count });
    }
    let df = (response.len() - count) as f64;
    let variance = groups.iter().map(|group| deviation_squares(group)).sum::<f64>() / df;
    if variance == 0.0 {
        return Err(constant("response within groups"));
    }
    let critical = studentized_range_quantile(confidence, count, df)? / SQRT_2;
    pairs(count)
        .map(|(a, b)| {
            let (n, m) = (groups[a].len() as f64, groups[b].len() as f64);
            let difference = mean_of(&groups[a]) - mean_of(&groups[b]);
            let se = (variance * (1.0 / n + 1.0 / m)).sqrt();
            let t = difference / se;
            Ok(PairComparison {
                a: factor.levels[a].clone(),
                b: factor.levels[b].clone(),
                difference,
                se,
                statistic: t,
                df: Some(df),
                p: studentized_range_sf(SQRT_2 * t.abs(), count, df)?,
                interval: Some(Interval::around(difference, critical * se, confidence)),
            })
        })
        .collect()
}
