//! Mann and Whitney's U.

use super::{PValue, RankTest};
use crate::stats::{
    StatsError,
    distribution::normal_sf,
    error::{check_sample, constant},
    order::{ranks, tie_term},
};

/// Largest size of the smaller sample with an exact p-value by default.
const EXACT: usize = 8;

/// Largest number of values in both samples with an exact p-value; beyond it the counts overflow.
const MOST: usize = 1000;

/// Tests whether the values of one sample tend to be larger than those of another (Mann and Whitney
/// 1947).
///
/// As [`mann_whitney_by`] with [`PValue::Auto`]: exact if there are no ties and a sample has at most
/// 8 values, as SciPy's default.
///
/// # Errors
///
/// If a sample is empty, a value is not a number, or all values are equal.
pub fn mann_whitney(a: &[f64], b: &[f64]) -> Result<RankTest, StatsError> {
    mann_whitney_by(a, b, PValue::Auto)
}

/// Mann and Whitney's test with a chosen kind of p-value.
///
/// The statistic is `U`, the number of pairs in which the value of `a` is larger, ties counting
/// half. Asymptotically `z = (|U − nm/2| − 1/2) / σ` with `σ² = nm/12 · (N + 1 − Σ(t³ − t) / (N(N −
/// 1)))`.
///
/// # Errors
///
/// As [`mann_whitney`]; for [`PValue::Exact`] also if there are ties or more than 1,000 values.
pub fn mann_whitney_by(a: &[f64], b: &[f64], method: PValue) -> Result<RankTest, StatsError> {
    check_sample("a", a, 1)?;
    check_sample("b", b, 1)?;
    let both = [a, b].concat();
    let (n, m, all) = (a.len() as f64, b.len() as f64, both.len() as f64);
    let u = ranks(&both)[..a.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let ties = tie_term(&both);
    let exact = match method {
        PValue::Auto => ties == 0.0 && a.len().min(b.len()) <= EXACT,
        PValue::Exact => true,
        PValue::Asymptotic => false,
    };
    if exact && ties > 0.0 {
        return Err(StatsError::Ties { column: "a and b".to_owned() });
    }
    if exact && both.len() > MOST {
        let (what, found) = ("values in `a` and `b`".to_owned(), both.len());
        return Err(StatsError::TooMany { what, found, expected: MOST });
    }
    let largest = u.max(n * m - u);
    let (p, method) = if exact {
        (exact_two_sided(a.len(), b.len(), largest), PValue::Exact)
    } else {
        let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
        if variance <= 0.0 {
            return Err(constant("a and b"));
        }
        let z = (largest - n * m / 2.0 - 0.5) / variance.sqrt();
        ((2.0 * normal_sf(z)).min(1.0), PValue::Asymptotic)
    };
    Ok(RankTest { statistic: u, p, method })
}

/// Counts the arrangements with a U of at least the larger one: the ways to choose which `n` of the
/// `n + m` ranks are `a`'s (Mann and Whitney's recurrence, one value of `a` or `b` at a time).
fn exact_two_sided(n: usize, m: usize, largest: f64) -> f64 {
    // The coefficients of the Gaussian binomial: multiply by (1 − q^(m+i)), divide by (1 − q^i).
    let (n, m) = (n.min(m), n.max(m));
    let most = n * m;
    let mut ways = vec![0.0_f64; most + 1];
    ways[0] = 1.0;
    for i in 1..=n {
        for u in (m + i..=most).rev() {
            ways[u] -= ways[u - m - i];
        }
        for u in i..=most {
            ways[u] += ways[u - i];
        }
    }
    let total: f64 = ways.iter().sum();
    // By symmetry the upper tail is the lower one, whose counts are the exact ones.
    let at_most = (most as f64 - largest).floor() as usize;
    (2.0 * ways[..=at_most].iter().sum::<f64>() / total).min(1.0)
}
