//! Games and Howell's comparison for unequal variances.

use std::f64::consts::SQRT_2;

use super::{
    PairComparison, pairs,
    studentized_range::{studentized_range_quantile, studentized_range_sf},
};
use crate::stats::{
    Factor, Interval, StatsError,
    error::{check_confidence, check_count},
    t_test::welch_t,
};

/// Compares the means of all pairs of levels, each with its own variance (Games and Howell 1976).
///
/// Welch's t and degrees of freedom of the pair, `√2 |t|` against the studentized range of all
/// levels.
///
/// # Errors
///
/// If lengths differ, a value is not a number, a level has fewer than 2 observations, two levels do
/// not vary, or the confidence is not in (0, 1).
pub fn games_howell(
    response: &[f64],
    factor: &Factor,
    confidence: f64,
) -> Result<Vec<PairComparison>, StatsError> {
    check_confidence(confidence)?;
    let groups = factor.split(response)?;
    for (level, group) in factor.levels.iter().zip(&groups) {
        check_count(&format!("values in level `{level}`"), group.len(), 2)?;
    }
    let count = groups.len();
    pairs(count)
        .map(|(a, b)| {
            let test = welch_t(&groups[a], &groups[b])?;
            let critical = studentized_range_quantile(confidence, count, test.df)? / SQRT_2;
            Ok(PairComparison {
                a: factor.levels[a].clone(),
                b: factor.levels[b].clone(),
                difference: test.difference,
                se: test.se,
                statistic: test.t,
                df: Some(test.df),
                p: studentized_range_sf(SQRT_2 * test.t.abs(), count, test.df)?,
                interval: Some(Interval::around(test.difference, critical * test.se, confidence)),
            })
        })
        .collect()
}
