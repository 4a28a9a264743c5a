//! Screens data for problems that an analysis does not account for.

use std::collections::BTreeMap;

use super::{
    Caution, Center, Factor, Intraclass, StatsError,
    anova::check,
    cell_residuals,
    describe::{deviation_squares, mean_of},
    drift,
    error::check_length,
    factor::Cells,
    intraclass_correlation_within, levene, shapiro_wilk,
};

/// Largest number of levels of a column that may be a factor that was left out.
const MAX_LEVELS: usize = 12;

/// Warnings about an analysis of a response over factors.
///
/// `others` are the remaining columns of the data. A column with repeated values, such as the setting
/// of a run, is taken as a clustering (columns that group the rows identically count as one, and the
/// combination of all such columns is one more): rows of a cluster may be correlated, and each cluster
/// may belong to a single level of a factor. With a single factor, columns crossed with it are taken as
/// factors that were left out. `order` is the position or time of each row's run; without it, the order
/// of the rows is used.
///
/// # Errors
///
/// If lengths differ, a value is not a number, a factor has one level or a level without an
/// observation, or the response does not vary.
pub fn screen(
    response: &[f64],
    factors: &[Factor],
    others: &[Factor],
    order: Option<&[f64]>,
) -> Result<Vec<Caution>, StatsError> {
    check(response, factors)?;
    others
        .iter()
        .try_for_each(|other| check_length(&other.name, other.codes.len(), response.len()))?;
    let (left_out, others): (Vec<&Factor>, Vec<&Factor>) = others.iter().partition(|other| {
        factors.len() == 1 && is_crossed(&factors[0], other) && other.check(response.len()).is_ok()
    });
    let mut design = factors.to_vec();
    design.extend(left_out.iter().map(|factor| (*factor).clone()));
    let cells = Cells::of(&design);
    let clusters = clusters(&others, &cells);

    let mut cautions = Vec::new();
    cautions.extend(dependence(response, &clusters, &cells));
    cautions.extend(confounded(factors, &clusters));
    cautions.extend(correlated(factors));
    cautions.extend(left_out.iter().filter_map(|factor| outweighed(response, &factors[0], factor)));
    let residuals = cell_residuals(response, &design)?;
    let normality = shapiro_wilk(&residuals).ok();
    cautions.extend(normality.and_then(|test| Caution::of_normality(&test)));
    let groups = cells.split(response);
    let groups: Vec<&[f64]> = groups.iter().map(Vec::as_slice).collect();
    let spread = levene(&groups, Center::Median).ok();
    cautions.extend(spread.and_then(|test| Caution::of_spread(&test)));
    let rows: Vec<f64> = (0..response.len()).map(|index| index as f64).collect();
    cautions.extend(Caution::of_drift(&drift(response, &design, order.unwrap_or(&rows))?));
    Ok(cautions)
}

/// Columns that group the rows identically.
struct Clusters {
    name: String,
    /// The cluster of each row, the same code in every cell.
    codes: Vec<usize>,
}

/// Columns that vary within cells and whose values each occur in at least two rows of a cell.
fn clusters(others: &[&Factor], cells: &Cells) -> Vec<Clusters> {
    let mut found: Vec<(Vec<usize>, Clusters)> = Vec::new();
    let mut add = |name: &str, codes: Vec<usize>| {
        let nested: Vec<usize> = relabeled(cells.of_row.iter().copied().zip(codes.iter().copied()));
        let sizes = sizes(&nested);
        if sizes.len() == cells.keys.len() || sizes.values().any(|size| *size < 2) {
            return;
        }
        match found.iter_mut().find(|candidate| candidate.0 == nested) {
            Some((_, same)) => {
                same.name = format!("{}, {name}", same.name);
                same.codes = relabeled(same.codes.iter().copied().zip(codes));
            }
            None => found.push((nested, Clusters { name: name.to_owned(), codes })),
        }
    };
    others.iter().for_each(|other| add(&other.name, other.codes.clone()));
    if found.len() > 1 {
        let names: Vec<&str> = found.iter().map(|candidate| candidate.1.name.as_str()).collect();
        let first = found[0].1.codes.clone();
        let codes = found[1..].iter().fold(first, |codes, (_, candidate)| {
            relabeled(codes.into_iter().zip(candidate.codes.iter().copied()))
        });
        let nested = relabeled(cells.of_row.iter().copied().zip(codes.iter().copied()));
        let whole = sizes(&nested).values().all(|size| *size > 1);
        if whole && found.iter().all(|candidate| candidate.0 != nested) {
            let name = names.join(", ");
            found.push((nested, Clusters { name, codes }));
        }
    }
    found.into_iter().map(|candidate| candidate.1).collect()
}

/// Codes in order of first appearance.
fn relabeled<T: Ord>(keys: impl Iterator<Item = T>) -> Vec<usize> {
    let mut seen = BTreeMap::new();
    keys.map(|key| {
        let next = seen.len();
        *seen.entry(key).or_insert(next)
    })
    .collect()
}

fn sizes(codes: &[usize]) -> BTreeMap<usize, usize> {
    let mut sizes = BTreeMap::new();
    codes.iter().for_each(|code| *sizes.entry(*code).or_default() += 1);
    sizes
}

/// The clustering with the fewest effective rows; p-values are adjusted for the number of clusterings.
fn dependence(response: &[f64], clusters: &[Clusters], cells: &Cells) -> Option<Caution> {
    let looked_at = clusters.len() as f64;
    clusters
        .iter()
        .filter_map(|cluster| {
            let found =
                intraclass_correlation_within(response, &cluster.codes, &cells.of_row).ok()?;
            Some((cluster, Intraclass { p: (found.p * looked_at).min(1.0), ..found }))
        })
        .filter_map(|(cluster, found)| Caution::of_dependence(&found).map(|_| (cluster, found)))
        .min_by(|a, b| a.1.effective_rows.total_cmp(&b.1.effective_rows))
        .and_then(|(cluster, found)| Caution::of_dependence_in(&found, &cluster.name))
}

/// Clusters that each occur with a single level of a factor.
fn confounded(factors: &[Factor], clusters: &[Clusters]) -> Vec<Caution> {
    let mut cautions = Vec::new();
    for factor in factors {
        for cluster in clusters {
            let mut level_of = BTreeMap::new();
            let nested = cluster
                .codes
                .iter()
                .zip(&factor.codes)
                .all(|(code, level)| level_of.entry(*code).or_insert(*level) == level);
            if nested {
                let (factor, with) = (factor.name.clone(), cluster.name.clone());
                cautions.push(Caution::Confounded { factor, with });
            }
        }
    }
    cautions
}

/// Pairs of factors of which one tells something of the other: Cramér's V of 0.1 or more.
fn correlated(factors: &[Factor]) -> Vec<Caution> {
    let mut cautions = Vec::new();
    for (at, a) in factors.iter().enumerate() {
        for b in &factors[at + 1..] {
            let v = cramers_v(a, b);
            if v >= 0.1 {
                let (a, b) = (a.name.clone(), b.name.clone());
                cautions.push(Caution::Correlated { a, b, v });
            }
        }
    }
    cautions
}

/// `√(χ² / (n (min(levels) − 1)))` (Cramér 1946).
fn cramers_v(a: &Factor, b: &Factor) -> f64 {
    let n = a.codes.len() as f64;
    let (of_a, of_b) = (sizes(&a.codes), sizes(&b.codes));
    let mut both: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    a.codes.iter().zip(&b.codes).for_each(|(a, b)| *both.entry((*a, *b)).or_default() += 1.0);
    let mut chi_squared = 0.0;
    for (level_a, count_a) in &of_a {
        for (level_b, count_b) in &of_b {
            let expected = *count_a as f64 * *count_b as f64 / n;
            let found = both.get(&(*level_a, *level_b)).copied().unwrap_or(0.0);
            chi_squared += (found - expected).powi(2) / expected;
        }
    }
    (chi_squared / (n * (of_a.len().min(of_b.len()) - 1) as f64)).sqrt()
}

/// Few levels, each of them with each level of the factor.
fn is_crossed(factor: &Factor, other: &Factor) -> bool {
    let levels = other.levels.len();
    if !(2..=MAX_LEVELS).contains(&levels) {
        return false;
    }
    let both: std::collections::BTreeSet<(usize, usize)> =
        factor.codes.iter().copied().zip(other.codes.iter().copied()).collect();
    both.len() == factor.levels.len() * levels && factor.codes.len() >= 2 * both.len()
}

/// If the other column explains more of the response than the factor, and much of it.
fn outweighed(response: &[f64], factor: &Factor, other: &Factor) -> Option<Caution> {
    let (share, larger) = (eta_squared(response, factor)?, eta_squared(response, other)?);
    (larger > 0.3 && larger > share).then(|| Caution::Marginal {
        factor: factor.name.clone(),
        share,
        other: other.name.clone(),
        larger,
    })
}

fn eta_squared(response: &[f64], factor: &Factor) -> Option<f64> {
    let groups = factor.split(response).ok()?;
    let grand = mean_of(response);
    let between: f64 =
        groups.iter().map(|group| group.len() as f64 * (mean_of(group) - grand).powi(2)).sum();
    Some(between / deviation_squares(response))
}
