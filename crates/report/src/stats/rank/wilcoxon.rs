//! Wilcoxon's signed ranks.

use super::{PValue, RankTest};
use crate::stats::{
    StatsError,
    distribution::normal_two_sided,
    error::{check_values, constant},
    order::{ranks, tie_term},
};

/// Largest number of differences with an exact p-value by default.
const EXACT: usize = 50;

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
/// differences without ties.
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
/// Asymptotically `z = (W − E) / σ` without continuity correction, as SciPy's default, with `E` half
/// the sum and `σ²` a quarter of the sum of squares of the ranks in use (which corrects for ties).
///
/// # Errors
///
/// As [`wilcoxon_signed_rank`]; for [`PValue::Exact`] also if sizes are equal or a ranked one is 0.
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
    let n = values.len();
    let tied = tie_term(&sizes) > 0.0 || sizes.contains(&0.0);
    let exact = match method {
        PValue::Auto => n <= EXACT && !tied,
        PValue::Exact => true,
        PValue::Asymptotic => false,
    };
    if exact && tied {
        return Err(StatsError::Ties { column: "differences".to_owned() });
    }
    let (p, method) = if exact {
        (exact_two_sided(n, statistic), PValue::Exact)
    } else {
        let used = ranks.iter().zip(&values).filter(|(_, value)| **value != 0.0);
        let squares: f64 = used.map(|(rank, _)| rank * rank).sum();
        let z = (statistic - (positive + negative) / 2.0) / (squares / 4.0).sqrt();
        (normal_two_sided(z), PValue::Asymptotic)
    };
    Ok(RankTest { statistic, p, method })
}

/// Counts the sign patterns with a rank sum of at most the statistic.
fn exact_two_sided(n: usize, statistic: f64) -> f64 {
    let most = n * (n + 1) / 2;
    let mut ways = vec![0.0_f64; most + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=most).rev() {
            // Halved each time, so that they are probabilities and stay in range.
            ways[sum] = (ways[sum] + ways[sum - rank]) / 2.0;
        }
        ways[..rank].iter_mut().for_each(|count| *count /= 2.0);
    }
    let at_most = (statistic.floor() as usize).min(most);
    (2.0 * ways[..=at_most].iter().sum::<f64>()).min(1.0)
}
