//! Tests of equal variances.

use super::{
    StatsError,
    describe::{deviation_squares, mean_of, type_7},
    distribution::f_sf,
    error::{check_groups, constant},
    order::sorted,
};

/// The center that deviations are measured from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Center {
    /// The group's mean: Levene's test (1960).
    Mean,
    /// The group's median: the Brown-Forsythe test (1974), also valid for skewed data.
    Median,
}

/// The result of an F test.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FTest {
    /// Ratio of mean squares.
    pub f: f64,
    /// Degrees of freedom between groups.
    pub df1: f64,
    /// Degrees of freedom within groups.
    pub df2: f64,
    /// Probability of an F at least this large without an effect.
    pub p: f64,
}

/// Tests whether groups have equal variances: one-way analysis of variance of the absolute deviations
/// from each group's center.
///
/// # Errors
///
/// If there are fewer than 2 groups, one is empty, all have a single value, a value is not a
/// number, or the deviations do not vary within the groups.
pub fn levene(groups: &[&[f64]], center: Center) -> Result<FTest, StatsError> {
    check_groups(groups, 1)?;
    let deviations: Vec<Vec<f64>> = groups
        .iter()
        .map(|group| {
            let center = match center {
                Center::Mean => mean_of(group),
                Center::Median => type_7(&sorted(group), 0.5),
            };
            group.iter().map(|value| (value - center).abs()).collect()
        })
        .collect();
    let all = deviations.concat();
    let (df1, df2) = ((groups.len() - 1) as f64, (all.len() - groups.len()) as f64);
    let grand = mean_of(&all);
    let within: f64 = deviations.iter().map(|group| deviation_squares(group)).sum();
    let between: f64 =
        deviations.iter().map(|group| group.len() as f64 * (mean_of(group) - grand).powi(2)).sum();
    if df2 == 0.0 || within <= 1e-24 * all.iter().map(|value| value * value).sum::<f64>() {
        return Err(constant("deviations within groups"));
    }
    let f = between / df1 / (within / df2);
    Ok(FTest { f, df1, df2, p: f_sf(f, df1, df2) })
}
