//! Kruskal and Wallis's analysis of variance on ranks.

use crate::stats::{
    StatsError,
    distribution::chi_squared_sf,
    error::{check_groups, constant},
    order::{ranks, tie_term},
};

/// The result of [`kruskal_wallis`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct KruskalWallis {
    /// The statistic, corrected for ties.
    pub h: f64,
    /// Number of groups minus one.
    pub df: f64,
    /// From χ² with `df` degrees of freedom.
    pub p: f64,
    /// ε² = H / (n − 1), in [0, 1]: the share of the variation of the ranks between the groups
    /// (Tomczak and Tomczak 2014).
    pub epsilon_sq: f64,
}

/// Tests whether any of several groups tends to have larger values (Kruskal and Wallis 1952).
///
/// `H = 12 / (N(N+1)) · Σ nᵢ (R̄ᵢ − (N+1)/2)²`, divided by `1 − Σ(t³ − t) / (N³ − N)`.
///
/// # Errors
///
/// If there are fewer than 2 groups, one is empty, a value is not a number, or all values are equal.
pub fn kruskal_wallis(groups: &[&[f64]]) -> Result<KruskalWallis, StatsError> {
    check_groups(groups, 1)?;
    let all = groups.concat();
    let n = all.len() as f64;
    let correction = 1.0 - tie_term(&all) / (n * n * n - n);
    if all.len() < 2 || correction <= 0.0 {
        return Err(constant("groups"));
    }
    let ranks = ranks(&all);
    let mut rest = ranks.as_slice();
    let mut between = 0.0;
    for group in groups {
        let (of_group, others) = rest.split_at(group.len());
        rest = others;
        let size = group.len() as f64;
        let mean = of_group.iter().sum::<f64>() / size;
        between += size * (mean - (n + 1.0) / 2.0).powi(2);
    }
    let h = 12.0 / (n * (n + 1.0)) * between / correction;
    let df = (groups.len() - 1) as f64;
    Ok(KruskalWallis { h, df, p: chi_squared_sf(h, df), epsilon_sq: h / (n - 1.0) })
}
