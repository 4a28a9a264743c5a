//! Comparisons of two samples and of all pairs of levels: tests, effect sizes and intervals.

use super::{
    Bootstrap, BootstrapInterval, EffectSize, Factor, PairedEffects, RankTest, ShapiroWilk,
    StatsError, TTest, cliffs_delta,
    describe::mean_of,
    error::{check_count, check_length, check_sample},
    hedges_g, holm, mann_whitney, paired_effects, paired_t, shapiro_wilk, welch_t,
    wilcoxon_signed_rank,
};

/// A comparison of two samples. A part that is not defined on the data, such as a t test of samples
/// that do not vary, is `None`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SampleComparison {
    /// Mean of a minus mean of b.
    pub difference: f64,
    /// Bootstrap interval of the difference; pairs are drawn together if paired.
    pub bootstrap: Option<BootstrapInterval>,
    /// Normality test of each sample; of the differences if paired.
    pub normality: Vec<Option<ShapiroWilk>>,
    /// Welch's t test, or the paired t test.
    pub t_test: Option<TTest>,
    /// Mann-Whitney test, or the Wilcoxon signed-rank test if paired.
    pub rank_test: Option<RankTest>,
    /// Cliff's δ of a over b as independent samples, also if paired.
    pub cliffs_delta: EffectSize,
    /// Hedges' g of a minus b as independent samples, also if paired.
    pub hedges_g: Option<EffectSize>,
    /// Effect sizes of the pairs, if paired.
    pub paired: Option<PairedEffects>,
}

/// Compares two independent samples.
///
/// # Errors
///
/// If a sample has fewer than 2 values, one is not a number, or the bootstrap's confidence or number
/// of resamples is unfit.
pub fn compare(
    a: &[f64],
    b: &[f64],
    bootstrap: &Bootstrap,
) -> Result<SampleComparison, StatsError> {
    let difference = |a: &[f64], b: &[f64]| Some(mean_of(a) - mean_of(b));
    Ok(SampleComparison {
        difference: effect_checked(a, b)?,
        bootstrap: defined(bootstrap.two_samples(a, b, difference))?,
        normality: vec![shapiro_wilk(a).ok(), shapiro_wilk(b).ok()],
        t_test: welch_t(a, b).ok(),
        rank_test: mann_whitney(a, b).ok(),
        cliffs_delta: cliffs_delta(a, b, bootstrap.confidence)?,
        hedges_g: hedges_g(a, b, bootstrap.confidence).ok(),
        paired: None,
    })
}

/// Compares two samples of pairs: the first value of a belongs to the first value of b, and so on.
///
/// # Errors
///
/// As [`compare`], or if lengths differ.
pub fn compare_paired(
    a: &[f64],
    b: &[f64],
    bootstrap: &Bootstrap,
) -> Result<SampleComparison, StatsError> {
    let difference = effect_checked(a, b)?;
    check_length("b", b.len(), a.len())?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    Ok(SampleComparison {
        difference,
        bootstrap: defined(bootstrap.one_sample(&differences, |values| Some(mean_of(values))))?,
        normality: vec![shapiro_wilk(&differences).ok()],
        t_test: paired_t(a, b).ok(),
        rank_test: wilcoxon_signed_rank(&differences).ok(),
        cliffs_delta: cliffs_delta(a, b, bootstrap.confidence)?,
        hedges_g: hedges_g(a, b, bootstrap.confidence).ok(),
        paired: Some(paired_effects(a, b, bootstrap.confidence)?),
    })
}

/// Two levels of a factor compared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LevelComparison {
    /// The first level.
    pub a: String,
    /// The second level.
    pub b: String,
    /// The comparison, a minus b.
    pub comparison: SampleComparison,
    /// p of the t test, adjusted over all pairs (Holm).
    pub t_test_p: Option<f64>,
    /// p of the rank test, adjusted over all pairs (Holm).
    pub rank_test_p: Option<f64>,
}

/// Compares all pairs of levels of a factor as independent samples.
///
/// # Errors
///
/// As [`compare`], or if the factor has fewer than 2 levels or is not as long as the response.
pub fn compare_levels(
    response: &[f64],
    factor: &Factor,
    bootstrap: &Bootstrap,
) -> Result<Vec<LevelComparison>, StatsError> {
    let groups = factor.split(response)?;
    pairs(&factor.levels, |a, b| compare(&groups[a], &groups[b], bootstrap).map(Some))
}

/// Compares all pairs of levels of a factor over the keys (a seed, a block) that both levels have. Pairs of
/// levels that share fewer than 2 keys are left out.
///
/// # Errors
///
/// As [`compare_levels`], if a level has a key twice, or no two levels share 2 keys.
pub fn compare_levels_paired(
    response: &[f64],
    factor: &Factor,
    key: &Factor,
    bootstrap: &Bootstrap,
) -> Result<Vec<LevelComparison>, StatsError> {
    check_sample("response", response, 2)?;
    factor.check(response.len())?;
    key.check(response.len())?;
    let mut by_key = vec![vec![None; key.levels.len()]; factor.levels.len()];
    for (row, value) in response.iter().enumerate() {
        let place = &mut by_key[factor.codes[row]][key.codes[row]];
        if place.replace(*value).is_some() {
            let (level, key) = (&factor.levels[factor.codes[row]], &key.levels[key.codes[row]]);
            return Err(StatsError::RepeatedKey { level: level.clone(), key: key.clone() });
        }
    }
    let mut most = 0;
    let rows = pairs(&factor.levels, |a, b| {
        let both = by_key[a].iter().zip(&by_key[b]);
        let (a, b): (Vec<f64>, Vec<f64>) = both.filter_map(|(a, b)| (*a).zip(*b)).unzip();
        most = most.max(a.len());
        if a.len() < 2 { Ok(None) } else { compare_paired(&a, &b, bootstrap).map(Some) }
    })?;
    if rows.is_empty() {
        check_count("shared keys", most, 2)?;
    }
    Ok(rows)
}

fn pairs(
    levels: &[String],
    mut compare: impl FnMut(usize, usize) -> Result<Option<SampleComparison>, StatsError>,
) -> Result<Vec<LevelComparison>, StatsError> {
    let mut rows = Vec::new();
    for a in 0..levels.len() {
        for b in a + 1..levels.len() {
            let Some(comparison) = compare(a, b)? else { continue };
            let (a, b) = (levels[a].clone(), levels[b].clone());
            rows.push(LevelComparison { a, b, comparison, t_test_p: None, rank_test_p: None });
        }
    }
    let t = adjusted(rows.iter().map(|row| row.comparison.t_test.map(|test| test.p)))?;
    let rank = adjusted(rows.iter().map(|row| row.comparison.rank_test.map(|test| test.p)))?;
    for (row, (t, rank)) in rows.iter_mut().zip(t.into_iter().zip(rank)) {
        (row.t_test_p, row.rank_test_p) = (t, rank);
    }
    Ok(rows)
}

/// Adjusts the p-values that are not `None`.
fn adjusted(p: impl Iterator<Item = Option<f64>>) -> Result<Vec<Option<f64>>, StatsError> {
    let p: Vec<Option<f64>> = p.collect();
    let mut adjusted = holm(&p.iter().flatten().copied().collect::<Vec<_>>())?.into_iter();
    Ok(p.into_iter().map(|p| p.and_then(|_| adjusted.next())).collect())
}

/// The difference of the means of two samples, which are checked.
fn effect_checked(a: &[f64], b: &[f64]) -> Result<f64, StatsError> {
    check_sample("a", a, 2)?;
    check_sample("b", b, 2)?;
    Ok(mean_of(a) - mean_of(b))
}

/// `None` for an interval that is not defined on the data; a wrong argument is still an error.
fn defined(
    interval: Result<BootstrapInterval, StatsError>,
) -> Result<Option<BootstrapInterval>, StatsError> {
    match interval {
        Ok(interval) => Ok(Some(interval)),
        Err(StatsError::Undefined { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
