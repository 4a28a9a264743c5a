//! Mann and Whitney's U.

use super::{PValue, RankTest};
use crate::stats::{
    StatsError,
    distribution::normal_sf,
    error::{check_sample, constant, is_constant},
    order::{ranks, tie_term},
};

/// Largest size of the smaller sample with an exact p-value by default, if there are no ties.
const EXACT: usize = 8;

/// Largest number of values in both samples with an exact p-value by default.
const FEW: usize = 50;

/// Largest number of values in both samples with an exact p-value; beyond it the counts overflow.
const MOST: usize = 1000;

/// The same with ties, whose distribution takes longer.
const MOST_WITH_TIES: usize = 200;

/// Tests whether the values of one sample tend to be larger than those of another (Mann and Whitney
/// 1947).
///
/// As [`mann_whitney_by`] with [`PValue::Auto`]: exact for up to 50 values in both samples, ties
/// included, and if there are no ties and a sample has at most 8 values.
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
/// half. The exact p-value is the share of all ways to divide the ranks, tied ones included, between the
/// samples whose U is at least as far from nm/2 (as `wilcox_test` of R's package coin). Asymptotically `z = (|U − nm/2| − 1/2) / σ` with `σ² = nm/12 · (N + 1 − Σ(t³ − t) / (N(N −
/// 1)))`.
///
/// # Errors
///
/// As [`mann_whitney`]; for [`PValue::Exact`] also if there are more than 1,000 values, or 200 with ties.
pub fn mann_whitney_by(a: &[f64], b: &[f64], method: PValue) -> Result<RankTest, StatsError> {
    check_sample("a", a, 1)?;
    check_sample("b", b, 1)?;
    let both = [a, b].concat();
    let (n, m, all) = (a.len() as f64, b.len() as f64, both.len() as f64);
    let ranks = ranks(&both);
    let u = ranks[..a.len()].iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let ties = tie_term(&both);
    if is_constant(&both) {
        return Err(constant("a and b"));
    }
    let exact = match method {
        PValue::Auto => {
            both.len() <= FEW || ties == 0.0 && a.len().min(b.len()) <= EXACT && both.len() <= MOST
        }
        PValue::Exact => true,
        PValue::Asymptotic => false,
    };
    let most = if ties > 0.0 { MOST_WITH_TIES } else { MOST };
    if exact && both.len() > most {
        let (what, found) = ("values in `a` and `b`".to_owned(), both.len());
        return Err(StatsError::TooMany { what, found, expected: most });
    }
    let largest = u.max(n * m - u);
    let (p, method) = if exact && ties > 0.0 {
        (exact_with_ties(&ranks, a.len(), largest), PValue::Exact)
    } else if exact {
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

/// The share of the ways to choose `n` of the ranks whose U is at least as far from its mean as `largest`.
/// Mid-ranks are multiples of a half, so sums are counted in halves.
fn exact_with_ties(ranks: &[f64], n: usize, largest: f64) -> f64 {
    let all = ranks.len();
    let halves: Vec<usize> = ranks.iter().map(|rank| (2.0 * rank).round() as usize).collect();
    let most: usize = halves.iter().sum();
    // Ways to choose `count` of the ranks seen so far with a sum, as a share of all ways in the end: each
    // rank is taken with the probability that it has in a random choice, so that shares stay in range.
    let mut share = vec![vec![0.0_f64; most + 1]; n + 1];
    share[0][0] = 1.0;
    for (seen, half) in halves.into_iter().enumerate() {
        let left = (all - seen) as f64;
        for count in (0..=n.min(seen + 1)).rev() {
            for sum in (0..=most).rev() {
                let not_taken = share[count][sum] * ((left - (n - count) as f64) / left).max(0.0);
                let taken = match (count.checked_sub(1), sum.checked_sub(half)) {
                    (Some(count), Some(sum)) => share[count][sum] * (n - count) as f64 / left,
                    _ => 0.0,
                };
                share[count][sum] = not_taken + taken;
            }
        }
    }
    let smallest_sum = (n * (n + 1)) as f64 / 2.0;
    let middle = (n * (all - n)) as f64 / 2.0;
    let distance = largest - middle - 1e-9;
    let far = |sum: &usize| (*sum as f64 / 2.0 - smallest_sum - middle).abs() >= distance;
    (0..=most).filter(far).map(|sum| share[n][sum]).sum::<f64>().min(1.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// R's coin, `wilcox_test(distribution = "exact")`.
    #[test]
    fn ties_have_an_exact_p_value() {
        let found = mann_whitney(&[1.0, 2.0, 2.0], &[3.0, 3.0, 4.0]).unwrap();
        assert!((found.p - 0.1).abs() < 1e-12, "{found:?}");
        assert_eq!(found.method, PValue::Exact);
    }

    proptest! {
        /// All ways to divide the values, listed.
        #[test]
        fn the_exact_p_value_is_that_of_all_divisions(
            values in prop::collection::vec(0_u8..5, 2..10), first in 1_usize..9,
        ) {
            let values: Vec<f64> = values.into_iter().map(f64::from).collect();
            let n = first.min(values.len() - 1);
            prop_assume!(!is_constant(&values));
            let u = |a: &[f64], b: &[f64]| -> f64 {
                let of = |x: &f64, y: &f64| if x > y { 1.0 } else if x == y { 0.5 } else { 0.0 };
                a.iter().map(|x| b.iter().map(|y| of(x, y)).sum::<f64>()).sum()
            };
            let (a, b) = values.split_at(n);
            let middle = (a.len() * b.len()) as f64 / 2.0;
            let found = mann_whitney_by(a, b, PValue::Exact).unwrap();
            let (mut far, mut all) = (0_u32, 0_u32);
            for pattern in 0..1_u32 << values.len() {
                if pattern.count_ones() as usize == n {
                    let part = |of: u32| -> Vec<f64> {
                        (0..values.len()).filter(|at| pattern >> at & 1 == of).map(|at| values[at]).collect()
                    };
                    all += 1;
                    if (u(&part(1), &part(0)) - middle).abs() >= (u(a, b) - middle).abs() - 1e-9 {
                        far += 1;
                    }
                }
            }
            let expected = f64::from(far) / f64::from(all);
            prop_assert!((found.p - expected).abs() < 1e-12, "{} {expected}", found.p);
        }
    }
}
