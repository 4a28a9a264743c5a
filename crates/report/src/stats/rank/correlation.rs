//! Rank correlation of two quantities.

use crate::stats::{
    StatsError,
    distribution::t_two_sided,
    error::{check_pairs, constant},
    order::ranks,
};

/// Spearman's rank correlation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Spearman {
    /// The correlation, in [-1, 1].
    pub rho: f64,
    /// Two-sided p-value from Student's t with n − 2 degrees of freedom; at least 2 / n!, the
    /// probability of a perfect order, for which t would give 0.
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
