//! Comparisons of all pairs of groups.

mod dunn;
mod games_howell;
mod studentized_range;
mod tukey;

pub use self::{
    dunn::dunn,
    games_howell::games_howell,
    studentized_range::{studentized_range_quantile, studentized_range_sf},
    tukey::tukey_hsd,
};

use super::Interval;

/// Two groups of a factor compared.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PairComparison {
    /// The first level.
    pub a: String,
    /// The second level.
    pub b: String,
    /// Mean of `a` minus mean of `b`; the means of their ranks in [`dunn`].
    pub difference: f64,
    /// Its standard error.
    pub se: f64,
    /// The difference divided by its standard error: t, or z in [`dunn`].
    pub statistic: f64,
    /// Degrees of freedom of the standard error; `None` if the test has none.
    pub df: Option<f64>,
    /// Two-sided p-value, adjusted for all pairs.
    pub p: f64,
    /// Simultaneous interval of the difference; `None` for ranks.
    pub interval: Option<Interval>,
}

/// Every pair of positions, the first before the second.
pub(super) fn pairs(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |a| (a + 1..count).map(move |b| (a, b)))
}
