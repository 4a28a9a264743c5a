//! Whether two quantities rise together.

use super::PValue;
use crate::stats::{
    StatsError,
    distribution::{normal_two_sided, t_two_sided},
    error::{check_pairs, constant},
    order::{ranks, tie_sizes},
};

/// Spearman's rank correlation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spearman {
    /// In [-1, 1].
    pub rho: f64,
    /// Two-sided, from Student's t with n − 2 degrees of freedom; at least 2 / n!, the share of the two
    /// perfect orders, where t would say 0.
    pub p: f64,
}

/// Rank correlation (Spearman 1904), ties by mid-ranks.
///
/// # Errors
///
/// If lengths differ, there are fewer than 3 pairs, a value is not a number, or a column does not
/// vary.
pub fn spearman(x: &[f64], y: &[f64]) -> Result<Spearman, StatsError> {
    check_pairs(x, y, 3)?;
    let (rx, ry) = (ranks(x), ranks(y));
    let n = x.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let sum = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let (sx, sy) = (sum(&rx, &rx), sum(&ry, &ry));
    for (column, spread) in [("x", sx), ("y", sy)] {
        if spread == 0.0 {
            return Err(constant(column));
        }
    }
    let rho = (sum(&rx, &ry) / (sx * sy).sqrt()).clamp(-1.0, 1.0);
    let t = rho * ((n - 2.0) / ((1.0 - rho) * (1.0 + rho))).sqrt();
    let perfect = 2.0 / (2..=x.len()).map(|index| index as f64).product::<f64>();
    Ok(Spearman { rho, p: t_two_sided(t, n - 2.0).max(perfect) })
}

/// Kendall's rank correlation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kendall {
    /// τ-b, in [-1, 1].
    pub tau: f64,
    /// Two-sided.
    pub p: f64,
    /// Exact for up to 33 pairs without ties.
    pub method: PValue,
}

/// Up to so many pairs the p-value is exact.
const EXACT: usize = 33;

/// Rank correlation by pairs in the same and in opposite order (Kendall 1938; τ-b, 1945).
///
/// The exact p-value counts permutations by their inversions; the asymptotic one has the variance of
/// Kendall's S with ties (Kendall 1970, chapter 4), without continuity correction, as SciPy.
///
/// # Errors
///
/// If lengths differ, there are fewer than 2 pairs, a value is not a number, or a column does not
/// vary.
pub fn kendall(x: &[f64], y: &[f64]) -> Result<Kendall, StatsError> {
    check_pairs(x, y, 2)?;
    let mut s = 0.0;
    for i in 0..x.len() {
        for j in 0..i {
            s += order(x[i], x[j]) * order(y[i], y[j]);
        }
    }
    let n = x.len() as f64;
    let pairs = n * (n - 1.0) / 2.0;
    let (tx, ty) = (tie_sizes(x), tie_sizes(y));
    let sum = |ties: &[f64], term: fn(f64) -> f64| ties.iter().map(|t| term(*t)).sum::<f64>();
    let two = |ties: &[f64]| sum(ties, |t| t * (t - 1.0));
    for (column, ties) in [("x", &tx), ("y", &ty)] {
        if ties.len() == 1 {
            return Err(constant(column));
        }
    }
    let tau = s / ((pairs - two(&tx) / 2.0) * (pairs - two(&ty) / 2.0)).sqrt();
    let untied = tx.len() == x.len() && ty.len() == y.len();
    let (p, method) = if untied && x.len() <= EXACT {
        // Inversions: the pairs in the rarer order.
        (exact_two_sided(x.len(), ((pairs - s.abs()) / 2.0).round() as usize), PValue::Exact)
    } else {
        let three = |ties: &[f64]| sum(ties, |t| t * (t - 1.0) * (t - 2.0));
        let five = |ties: &[f64]| sum(ties, |t| t * (t - 1.0) * (2.0 * t + 5.0));
        let mut variance = (n * (n - 1.0) * (2.0 * n + 5.0) - five(&tx) - five(&ty)) / 18.0
            + two(&tx) * two(&ty) / (2.0 * n * (n - 1.0));
        if x.len() > 2 {
            variance += three(&tx) * three(&ty) / (9.0 * n * (n - 1.0) * (n - 2.0));
        }
        (normal_two_sided(s / variance.sqrt()), PValue::Asymptotic)
    };
    Ok(Kendall { tau: tau.clamp(-1.0, 1.0), p, method })
}

fn order(a: f64, b: f64) -> f64 {
    match a.partial_cmp(&b) {
        Some(std::cmp::Ordering::Less) => -1.0,
        Some(std::cmp::Ordering::Greater) => 1.0,
        _ => 0.0,
    }
}

/// Share of the permutations with at most so many inversions, twice.
fn exact_two_sided(n: usize, inversions: usize) -> f64 {
    // The k-th element adds 0 to k − 1 inversions, each as likely.
    let mut share = vec![0.0; inversions + 1];
    share[0] = 1.0;
    for k in 2..=n {
        let mut window = 0.0;
        let before = share.clone();
        for i in 0..=inversions {
            window += before[i];
            if i >= k {
                window -= before[i - k];
            }
            share[i] = window / k as f64;
        }
    }
    (2.0 * share.iter().sum::<f64>()).min(1.0)
}
