//! Tests on ranks.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{StatsError, check_finite, ranks};

/// A statistic with its two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankTest {
    /// As the test defines it.
    pub statistic: f64,
    /// Two-sided.
    pub p: f64,
}

/// Up to so many differences the null distribution is counted out.
const EXACT: usize = 50;

/// Wilcoxon's signed-rank test that differences are symmetric about 0 (Wilcoxon 1945).
///
/// Zeros are left out (Wilcoxon's own treatment). The statistic is the smaller sum of ranks. The
/// p-value is exact for up to 50 differences without ties, otherwise from the normal approximation
/// with tie correction and without continuity correction, as SciPy's default.
///
/// # Errors
///
/// If a difference is not a number, or none differs from 0.
pub fn wilcoxon_signed_rank(differences: &[f64]) -> Result<RankTest, StatsError> {
    check_finite(differences)?;
    let values: Vec<f64> = differences.iter().copied().filter(|it| *it != 0.0).collect();
    if values.is_empty() {
        return Err(StatsError::Constant { column: "differences".to_owned() });
    }
    let sizes: Vec<f64> = values.iter().map(|it| it.abs()).collect();
    let ranks = ranks(&sizes);
    let n = values.len();
    let positive: f64 = ranks.iter().zip(&values).filter(|(_, v)| **v > 0.0).map(|(r, _)| r).sum();
    let all = (n * (n + 1)) as f64 / 2.0;
    let statistic = positive.min(all - positive);
    let tied = ranks.iter().any(|it| it.fract() != 0.0) || has_duplicates(&sizes);
    let p =
        if n <= EXACT && !tied { exact(n, statistic) } else { approximate(&ranks, statistic, all) };
    Ok(RankTest { statistic, p })
}

fn has_duplicates(values: &[f64]) -> bool {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.windows(2).any(|pair| pair[0] == pair[1])
}

/// Counts the sign patterns with a rank sum of at most the statistic.
fn exact(n: usize, statistic: f64) -> f64 {
    let most = n * (n + 1) / 2;
    let mut ways = vec![0.0_f64; most + 1];
    ways[0] = 1.0;
    for rank in 1..=n {
        for sum in (rank..=most).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let at_most: f64 = ways.iter().take(statistic as usize + 1).sum();
    (2.0 * at_most / 2_f64.powi(i32::try_from(n).unwrap_or(i32::MAX))).min(1.0)
}

fn approximate(ranks: &[f64], statistic: f64, all: f64) -> f64 {
    let variance = ranks.iter().map(|it| it * it).sum::<f64>() / 4.0;
    let z = (statistic - all / 2.0) / variance.sqrt();
    let normal = Normal::standard();
    (2.0 * normal.cdf(-z.abs())).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.wilcoxon([1.5, -0.5, 2.25, 3.0, -1.0, 4.0, 0.75]) → statistic 4, p 0.109375
    #[test]
    fn exact_as_scipy() {
        let test = wilcoxon_signed_rank(&[1.5, -0.5, 2.25, 3.0, -1.0, 4.0, 0.75]).unwrap();
        assert_eq!(test.statistic, 4.0);
        assert!((test.p - 0.109_375).abs() < 1e-12, "{}", test.p);
    }

    #[test]
    fn all_on_one_side_is_the_smallest_p_that_n_allows() {
        let test = wilcoxon_signed_rank(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!((test.statistic, test.p), (0.0, 2.0 / 32.0));
    }

    #[test]
    fn zeros_alone_are_an_error() {
        assert!(wilcoxon_signed_rank(&[0.0, 0.0]).is_err());
    }
}
