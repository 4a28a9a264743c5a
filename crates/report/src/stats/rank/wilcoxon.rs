//! Wilcoxon's signed ranks.

use super::{PValue, RankTest};
use crate::stats::{
    StatsError,
    distribution::normal_two_sided,
    error::{check_values, constant},
    order::ranks,
};

/// Largest number of differences with an exact p-value by default.
const EXACT: usize = 50;

/// Largest number of differences with an exact p-value; beyond it the computation takes too long.
const MOST: usize = 500;

/// Treatment of differences of 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zeros {
    /// Leave them out before ranking (Wilcoxon 1945).
    Wilcoxon,
    /// Rank them, then leave out their ranks (Pratt 1959).
    Pratt,
}

/// Tests whether differences are symmetric about 0 (Wilcoxon 1945).
///
/// As [`wilcoxon_signed_rank_by`] with [`Zeros::Wilcoxon`] and [`PValue::Auto`]: exact for up to 50
/// differences, ties included.
///
/// # Errors
///
/// If a difference is not a number, or none differs from 0.
pub fn wilcoxon_signed_rank(differences: &[f64]) -> Result<RankTest, StatsError> {
    wilcoxon_signed_rank_by(differences, Zeros::Wilcoxon, PValue::Auto)
}

/// Wilcoxon's test with a chosen treatment of zeros and kind of p-value.
///
/// The statistic is the smaller of the sums of the ranks of positive and of negative differences.
/// The exact p-value is the share of all `2ⁿ` patterns of signs of the ranks, tied ones included, whose
/// statistic is at most as large (as `wilcoxsign_test` of R's package coin). Asymptotically `z = (W − E) / σ` without continuity correction, as SciPy's default, with `E` half
/// the sum and `σ²` a quarter of the sum of squares of the ranks in use (which corrects for ties).
///
/// # Errors
///
/// As [`wilcoxon_signed_rank`]; for [`PValue::Exact`] also if there are more than 500 differences.
pub fn wilcoxon_signed_rank_by(
    differences: &[f64],
    zeros: Zeros,
    method: PValue,
) -> Result<RankTest, StatsError> {
    check_values("differences", differences)?;
    let values: Vec<f64> = match zeros {
        Zeros::Wilcoxon => {
            differences.iter().copied().filter(|difference| *difference != 0.0).collect()
        }
        Zeros::Pratt => differences.to_vec(),
    };
    if values.iter().all(|value| *value == 0.0) {
        return Err(constant("differences"));
    }
    let sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    let ranks = ranks(&sizes);
    let sum = |keep: fn(f64) -> bool| -> f64 {
        ranks.iter().zip(&values).filter(|(_, rank)| keep(**rank)).map(|(rank, _)| rank).sum()
    };
    let (positive, negative) = (sum(|value| value > 0.0), sum(|value| value < 0.0));
    let statistic = positive.min(negative);
    let used: Vec<f64> = ranks
        .iter()
        .zip(&values)
        .filter(|(_, value)| **value != 0.0)
        .map(|(rank, _)| *rank)
        .collect();
    let exact = match method {
        PValue::Auto => used.len() <= EXACT,
        PValue::Exact => true,
        PValue::Asymptotic => false,
    };
    if exact && used.len() > MOST {
        let (what, found) = ("differences".to_owned(), used.len());
        return Err(StatsError::TooMany { what, found, expected: MOST });
    }
    let (p, method) = if exact {
        (exact_two_sided(&used, statistic), PValue::Exact)
    } else {
        let squares: f64 = used.iter().map(|rank| rank * rank).sum();
        let z = (statistic - (positive + negative) / 2.0) / (squares / 4.0).sqrt();
        (normal_two_sided(z), PValue::Asymptotic)
    };
    Ok(RankTest { statistic, p, method })
}

/// The share of the sign patterns of these ranks with a smaller sum of at most the statistic. Mid-ranks
/// are multiples of a half, so sums are counted in halves.
fn exact_two_sided(ranks: &[f64], statistic: f64) -> f64 {
    let halves: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank).round() as usize).collect();
    let most: usize = halves.iter().sum();
    let mut share = vec![0.0_f64; most + 1];
    share[0] = 1.0;
    let mut reached = 0;
    for half in halves {
        reached += half;
        for sum in (half..=reached).rev() {
            // Halved each time, so that they are probabilities and stay in range.
            share[sum] = (share[sum] + share[sum - half]) / 2.0;
        }
        share[..half].iter_mut().for_each(|share| *share /= 2.0);
    }
    let at_most = ((2.0 * statistic).round() as usize).min(most);
    (2.0 * share[..=at_most].iter().sum::<f64>()).min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// R's coin, `wilcoxsign_test(distribution = "exact")`, and SciPy issues 13689 and 19872.
    #[test]
    fn ties_have_an_exact_p_value() {
        let p = |differences: &[f64]| wilcoxon_signed_rank(differences).unwrap();
        let few = p(&[1.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!((few.p, few.method), (0.0625, PValue::Exact));
        let a = [62.0, 66.0, 61.0, 68.0, 74.0, 62.0, 68.0, 62.0, 55.0, 59.0];
        let b = [71.0, 71.0, 69.0, 61.0, 75.0, 71.0, 77.0, 72.0, 62.0, 65.0];
        let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
        assert_eq!(p(&differences).p, 0.015_625);
    }

    #[test]
    fn many_differences_are_not_counted_one_by_one() {
        let many: Vec<f64> = (1..=501).map(f64::from).collect();
        let found = wilcoxon_signed_rank_by(&many, Zeros::Pratt, PValue::Exact);
        assert!(matches!(found, Err(StatsError::TooMany { expected: 500, .. })));
    }

    proptest! {
        /// All sign patterns, listed.
        #[test]
        fn the_exact_p_value_is_that_of_all_sign_patterns(
            values in prop::collection::vec(-4_i8..=4, 1..9),
            pratt in any::<bool>(),
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            prop_assume!(values.iter().any(|value| *value != 0.0));
            let zeros = if pratt { Zeros::Pratt } else { Zeros::Wilcoxon };
            let found = wilcoxon_signed_rank_by(&values, zeros, PValue::Exact).unwrap();
            let kept: Vec<f64> =
                values.iter().copied().filter(|value| pratt || *value != 0.0).collect();
            let sizes: Vec<f64> = kept.iter().map(|value| value.abs()).collect();
            let ranks = ranks(&sizes);
            let ranked: Vec<f64> = ranks
                .iter()
                .zip(&kept)
                .filter(|(_, value)| **value != 0.0)
                .map(|(rank, _)| *rank)
                .collect();
            let all = 1_u32 << ranked.len();
            let extreme = (0..all).filter(|pattern| {
                let positive: f64 =
                    (0..ranked.len()).filter(|at| pattern >> at & 1 == 1).map(|at| ranked[at]).sum();
                positive.min(ranked.iter().sum::<f64>() - positive) <= found.statistic
            });
            let expected = extreme.count() as f64 / f64::from(all);
            prop_assert!((found.p - expected).abs() < 1e-12, "{} {expected}", found.p);
        }
    }
}
