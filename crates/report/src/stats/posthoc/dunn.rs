//! Dunn's comparison of mean ranks.

use super::{PairComparison, pairs};
use crate::stats::{
    Factor, StatsError,
    describe::mean_of,
    distribution::normal_two_sided,
    error::{check_values, constant},
    multiple::holm,
    order::{ranks, tie_term},
};

/// Compares the mean ranks of all pairs of levels after Kruskal and Wallis's test (Dunn 1964), with
/// p-values adjusted by Holm's method.
///
/// `z = (R̄ₐ − R̄_b) / √((N(N+1)/12 − Σ(t³ − t) / (12(N − 1))) (1/nₐ + 1/n_b))`, ranks over all groups.
///
/// # Errors
///
/// If lengths differ, a value is not a number, a level has no observation, or all values are equal.
pub fn dunn(response: &[f64], factor: &Factor) -> Result<Vec<PairComparison>, StatsError> {
    check_values("response", response)?;
    let groups = factor.split(&ranks(response))?;
    let n = response.len() as f64;
    let variance = n * (n + 1.0) / 12.0 - tie_term(response) / (12.0 * (n - 1.0));
    if variance <= 1e-9 {
        return Err(constant("response"));
    }
    let mut rows: Vec<PairComparison> = pairs(groups.len())
        .map(|(a, b)| {
            let (na, nb) = (groups[a].len() as f64, groups[b].len() as f64);
            let difference = mean_of(&groups[a]) - mean_of(&groups[b]);
            let se = (variance * (1.0 / na + 1.0 / nb)).sqrt();
            let z = difference / se;
            PairComparison {
                a: factor.levels[a].clone(),
                b: factor.levels[b].clone(),
                difference,
                se,
                statistic: z,
                df: None,
                p: normal_two_sided(z),
                interval: None,
            }
        })
        .collect();
    let adjusted = holm(&rows.iter().map(|row| row.p).collect::<Vec<_>>())?;
    rows.iter_mut().zip(adjusted).for_each(|(row, p)| row.p = p);
    Ok(rows)
}
