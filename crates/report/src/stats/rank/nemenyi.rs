//! Nemenyi's critical difference of mean ranks.

use crate::stats::{
    StatsError,
    error::{check_count, check_length, check_values},
    order::ranks,
    posthoc::studentized_range_quantile,
};

/// Mean ranks of treatments over blocks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeanRanks {
    /// Mean rank of each treatment; 1 if it is the largest in every block.
    pub ranks: Vec<f64>,
    /// Smallest significant difference of two mean ranks.
    pub critical_difference: f64,
    /// Number of blocks.
    pub blocks: usize,
}

/// Ranks treatments within blocks, the largest value first, and computes the critical difference of
/// two mean ranks (Nemenyi 1963; Demšar 2006, JMLR 7:1): `CD = q √(k(k+1) / (12 N))` with the
/// quantile q of the studentized range of k groups with infinite degrees of freedom.
///
/// `treatments[j][i]` is block `i` under treatment `j`.
///
/// # Errors
///
/// If there are fewer than 2 treatments or blocks, lengths differ, a value is not a number, or the
/// confidence is not in (0, 1).
pub fn mean_ranks(treatments: &[&[f64]], confidence: f64) -> Result<MeanRanks, StatsError> {
    check_count("treatments", treatments.len(), 2)?;
    let blocks = treatments[0].len();
    check_count("blocks", blocks, 2)?;
    for (at, values) in treatments.iter().enumerate() {
        let name = format!("treatment {}", at + 1);
        check_length(&name, values.len(), blocks)?;
        check_values(&name, values)?;
    }
    let (k, n) = (treatments.len() as f64, blocks as f64);
    let mut sums = vec![0.0; treatments.len()];
    for block in 0..blocks {
        let row: Vec<f64> = treatments.iter().map(|values| -values[block]).collect();
        sums.iter_mut().zip(ranks(&row)).for_each(|(sum, rank)| *sum += rank);
    }
    let q = studentized_range_quantile(confidence, treatments.len(), f64::INFINITY)?;
    Ok(MeanRanks {
        ranks: sums.into_iter().map(|sum| sum / n).collect(),
        critical_difference: q * (k * (k + 1.0) / (12.0 * n)).sqrt(),
        blocks,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Demšar (2006), section 3.2.2: 4 classifiers on 14 data sets, CD = 2.569 √(4·5 / (6·14)).
    #[test]
    fn the_critical_difference_agrees_with_demsars_example() {
        let rows: Vec<Vec<f64>> = (0..4).map(|rank| vec![f64::from(rank); 14]).collect();
        let rows: Vec<&[f64]> = rows.iter().map(Vec::as_slice).collect();
        let found = mean_ranks(&rows, 0.95).unwrap();
        assert_eq!(found.ranks, [4.0, 3.0, 2.0, 1.0]);
        assert!((found.critical_difference - 1.2536).abs() < 1e-3, "{found:?}");
    }
}
