//! Rows that are not independent: repeats of one setting, and drift over the runs.

use std::collections::BTreeMap;

use super::{
    Factor, Spearman, StatsError,
    describe::{deviation_squares, mean_of},
    distribution::f_sf,
    error::{check_length, check_sample, constant},
    factor::{Cells, level_names},
    means::cell_residuals,
    rank::spearman,
};

/// The correlation of rows in the same cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Intraclass {
    /// ICC(1): share of the variance between clusters; negative if rows of a cluster differ more than
    /// rows of different clusters.
    pub icc: f64,
    /// Number of rows.
    pub rows: usize,
    /// Number of clusters.
    pub clusters: usize,
    /// Effective number of rows per cluster; below the mean if the counts differ.
    pub cluster_size: f64,
    /// 1 + (cluster size − 1) · ICC: by how much the variance of a mean is underestimated if rows
    /// are taken as independent (Kish 1965); at least 1.
    pub design_effect: f64,
    /// Rows / design effect: the number of independent rows with as much information.
    pub effective_rows: f64,
    /// F of the test that clusters do not differ.
    pub f: f64,
    /// Probability of an F at least this large if clusters do not differ.
    pub p: f64,
}

/// Intra-class correlation of rows in the same cluster: ICC(1) of the one-way model (Shrout and Fleiss 1979),
/// `(MSB − MSW) / (MSB + (m − 1) MSW)`.
///
/// As [`intraclass_correlation_within`] with a single cell.
///
/// # Errors
///
/// If lengths differ, a value is not a number, there are fewer than 2 clusters, no cluster has two
/// rows, or the response does not vary.
pub fn intraclass_correlation(
    response: &[f64],
    clusters: &[usize],
) -> Result<Intraclass, StatsError> {
    intraclass_correlation_within(response, clusters, &vec![0; response.len()])
}

/// Intra-class correlation of rows in the same cluster, given their cell: clusters are nested in
/// cells (a cluster's code used in two cells names two clusters), and mean squares are pooled over
/// the cells. With unequal counts `m = (N − Σ_cells Σ nᵢ² / N_cell) / df between`.
///
/// # Errors
///
/// As [`intraclass_correlation`], where some cell needs 2 clusters.
pub fn intraclass_correlation_within(
    response: &[f64],
    clusters: &[usize],
    cells: &[usize],
) -> Result<Intraclass, StatsError> {
    check_sample("response", response, 2)?;
    check_length("clusters", clusters.len(), response.len())?;
    check_length("cells", cells.len(), response.len())?;
    let mut nested: BTreeMap<usize, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    for ((value, cluster), cell) in response.iter().zip(clusters).zip(cells) {
        nested.entry(*cell).or_default().entry(*cluster).or_default().push(*value);
    }
    let count: usize = nested.values().map(BTreeMap::len).sum();
    let (df_between, df_within) = (count - nested.len(), response.len() - count);
    if df_between == 0 {
        let (what, expected) = ("clusters in every cell".to_owned(), 2);
        return Err(StatsError::TooFew { what, found: 1, expected });
    }
    if df_within == 0 {
        let (observations, parameters) = (response.len(), count);
        return Err(StatsError::NoResidual { observations, parameters });
    }
    let (mut between, mut within, mut size) = (0.0, 0.0, response.len() as f64);
    for clusters in nested.values() {
        let rows: Vec<f64> = clusters.values().flatten().copied().collect();
        let mean = mean_of(&rows);
        for cluster in clusters.values() {
            let n = cluster.len() as f64;
            between += n * (mean_of(cluster) - mean).powi(2);
            within += deviation_squares(cluster);
            size -= n * n / rows.len() as f64;
        }
    }
    if between + within == 0.0 {
        return Err(constant("response"));
    }
    let (df1, df2) = (df_between as f64, df_within as f64);
    let cluster_size = size / df1;
    let (msb, msw) = (between / df1, within / df2);
    let icc = (msb - msw) / (msb + (cluster_size - 1.0) * msw);
    let design_effect = (1.0 + (cluster_size - 1.0) * icc).max(1.0);
    let f = msb / msw;
    Ok(Intraclass {
        icc,
        rows: response.len(),
        clusters: count,
        cluster_size,
        design_effect,
        effective_rows: response.len() as f64 / design_effect,
        f,
        p: f_sf(f, df1, df2),
    })
}

/// One row per cluster: the mean response and the levels of its factors, ready for [`super::anova`].
/// A cluster's code used in two cells names two clusters.
///
/// # Errors
///
/// If lengths differ or a value is not a number.
pub fn cluster_means(
    response: &[f64],
    clusters: &[usize],
    factors: &[Factor],
) -> Result<(Vec<f64>, Vec<Factor>), StatsError> {
    check_sample("response", response, 1)?;
    check_length("clusters", clusters.len(), response.len())?;
    factors.iter().try_for_each(|factor| factor.check(response.len()))?;
    let mut groups: BTreeMap<(Vec<usize>, usize), Vec<f64>> = BTreeMap::new();
    for (row, (value, cluster)) in response.iter().zip(clusters).enumerate() {
        let cell = factors.iter().map(|factor| factor.codes[row]).collect();
        groups.entry((cell, *cluster)).or_default().push(*value);
    }
    let means = groups.values().map(|values| mean_of(values)).collect();
    let factors = factors.iter().enumerate().map(|(at, factor)| Factor {
        name: factor.name.clone(),
        levels: factor.levels.clone(),
        codes: groups.keys().map(|(cell, _)| cell[at]).collect(),
    });
    Ok((means, factors.collect()))
}

/// Drift within one cell.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Drift {
    /// The level of each factor.
    pub levels: Vec<String>,
    /// Rank correlation of the response with the order of the runs.
    pub correlation: Spearman,
}

/// Rank correlation of the response with the order of the runs, in each cell.
///
/// `order` is the position or time of each row's run. Cells with fewer than 3 rows, or with
/// a single value, are left out.
///
/// # Errors
///
/// If lengths differ, a value is not a number, a factor has one level or a level without an
/// observation, or the response does not vary.
pub fn drift(
    response: &[f64],
    factors: &[Factor],
    order: &[f64],
) -> Result<Vec<Drift>, StatsError> {
    check_sample("order", order, 2)?;
    check_length("order", order.len(), response.len())?;
    let residuals = cell_residuals(response, factors)?;
    let cells = Cells::of(factors);
    let groups = cells.split(&residuals).into_iter().zip(cells.split(order));
    Ok(cells
        .keys
        .iter()
        .zip(groups)
        .filter_map(|(key, (values, order))| {
            let correlation = spearman(&order, &values).ok()?;
            Some(Drift { levels: level_names(factors, key), correlation })
        })
        .collect())
}
