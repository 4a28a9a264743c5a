//! Friedman's analysis of variance on ranks within blocks.

use crate::stats::{
    StatsError,
    distribution::chi_squared_sf,
    error::{check_count, check_length, check_values, constant},
    order::{ranks, tie_term},
};

/// The result of [`friedman`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Friedman {
    /// χ², corrected for ties.
    pub statistic: f64,
    /// Number of treatments minus one.
    pub df: f64,
    /// From χ² with `df` degrees of freedom.
    pub p: f64,
    /// Kendall's W: agreement of the blocks, in [0, 1].
    pub kendall_w: f64,
}

/// Tests whether treatments differ, where every block (a seed, a data set) has each treatment once
/// (Friedman 1937).
///
/// `treatments[j][i]` is block `i` under treatment `j`. `χ² = 12 / (nk(k+1)) · Σ (Rⱼ − n(k+1)/2)²`,
/// divided by `1 − Σ(t³ − t) / (n(k³ − k))`.
///
/// # Errors
///
/// If there are fewer than 3 treatments or 2 blocks, lengths differ, a value is not a number, or no
/// block distinguishes its treatments.
pub fn friedman(treatments: &[&[f64]]) -> Result<Friedman, StatsError> {
    check_count("treatments", treatments.len(), 3)?;
    let blocks = treatments[0].len();
    check_count("blocks", blocks, 2)?;
    for (at, values) in treatments.iter().enumerate() {
        let name = format!("treatment {}", at + 1);
        check_length(&name, values.len(), blocks)?;
        check_values(&name, values)?;
    }
    let (k, n) = (treatments.len() as f64, blocks as f64);
    let mut sums = vec![0.0; treatments.len()];
    let mut ties = 0.0;
    for block in 0..blocks {
        let row: Vec<f64> = treatments.iter().map(|values| values[block]).collect();
        sums.iter_mut().zip(ranks(&row)).for_each(|(sum, rank)| *sum += rank);
        ties += tie_term(&row);
    }
    let correction = 1.0 - ties / (n * (k * k * k - k));
    if correction <= 0.0 {
        return Err(constant("treatments"));
    }
    let between: f64 = sums.iter().map(|sum| (sum - n * (k + 1.0) / 2.0).powi(2)).sum();
    let statistic = 12.0 * between / (n * k * (k + 1.0)) / correction;
    let df = k - 1.0;
    Ok(Friedman {
        statistic,
        df,
        p: chi_squared_sf(statistic, df),
        kendall_w: statistic / (n * df),
    })
}
