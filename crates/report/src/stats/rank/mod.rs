//! Tests on ranks.

mod correlation;
mod friedman;
mod kruskal_wallis;
mod mann_whitney;
mod nemenyi;
mod theil_sen;
mod wilcoxon;

pub use self::{
    correlation::{Spearman, spearman},
    friedman::{Friedman, friedman},
    kruskal_wallis::{KruskalWallis, kruskal_wallis},
    mann_whitney::{mann_whitney, mann_whitney_by},
    nemenyi::{MeanRanks, mean_ranks},
    theil_sen::{Slope, theil_sen, theil_sen_within},
    wilcoxon::{Zeros, wilcoxon_signed_rank, wilcoxon_signed_rank_by},
};

/// A statistic with its two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankTest {
    /// As the test defines it.
    pub statistic: f64,
    /// Two-sided.
    pub p: f64,
    /// Where the p-value is from: never [`PValue::Auto`].
    pub method: PValue,
}

/// Where a p-value is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PValue {
    /// Exact where the data are few and without ties, else asymptotic; each test says when.
    Auto,
    /// Counted over all arrangements of the ranks; valid without ties only.
    Exact,
    /// From a limiting distribution, corrected for ties.
    Asymptotic,
}
