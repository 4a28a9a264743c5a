//! Nemenyi's critical difference of mean ranks.

use crate::stats::{
    PairComparison, StatsError,
    error::{check_count, check_length, check_values},
    order::ranks,
    posthoc::{pairs, studentized_range_quantile, studentized_range_sf},
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

/// Compares the mean ranks of all pairs of treatments after Friedman's test (Nemenyi 1963; Demšar 2006):
/// the difference in units of `√(k(k+1) / (12 N))` has the studentized range of k groups with infinite
/// degrees of freedom, which adjusts the p-values for all pairs.
///
/// `treatments[j][i]` is block `i` under treatment `j`, named `names[j]`. Rank 1 is the smallest value, so a
/// positive difference means larger values of `a`.
///
/// # Errors
///
/// As [`mean_ranks`], or if there are not as many names as treatments.
pub fn nemenyi(treatments: &[&[f64]], names: &[String]) -> Result<Vec<PairComparison>, StatsError> {
    check_length("names", names.len(), treatments.len())?;
    let MeanRanks { ranks, blocks, .. } = mean_ranks(treatments, 0.95)?;
    let k = ranks.len() as f64;
    let se = (k * (k + 1.0) / (12.0 * blocks as f64)).sqrt();
    pairs(ranks.len())
        .map(|(a, b)| {
            // `mean_ranks` counts from the largest value.
            let difference = ranks[b] - ranks[a];
            let statistic = difference / se;
            Ok(PairComparison {
                a: names[a].clone(),
                b: names[b].clone(),
                difference,
                se,
                statistic,
                df: None,
                p: studentized_range_sf(statistic.abs(), ranks.len(), f64::INFINITY)?,
                interval: None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R package rstatix, issue 265 (PMCMRplus `frdAllPairsNemenyiTest`).
    #[test]
    fn pairs_agree_with_r() {
        let rows: [&[f64]; 3] = [
            &[4.0, 6.0, 3.0, 5.0, 4.0, 5.0],
            &[7.0, 8.0, 6.0, 7.0, 9.0, 6.0],
            &[6.0, 9.0, 7.0, 8.0, 8.0, 9.0],
        ];
        let found = nemenyi(&rows, &["A", "B", "C"].map(str::to_owned)).unwrap();
        for (pair, expected) in found.iter().zip([0.0545, 0.0109, 0.832]) {
            assert!((pair.p - expected).abs() < 6e-4, "{pair:?}");
            assert!(pair.difference < 0.0);
        }
        assert!(nemenyi(&rows, &["A".to_owned()]).is_err());
    }

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
