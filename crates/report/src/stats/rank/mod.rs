//! Tests on ranks.

mod bayesian;
mod correlation;
mod friedman;
mod kruskal_wallis;
mod mann_whitney;
mod nemenyi;
mod theil_sen;
mod wilcoxon;

pub use self::{
    bayesian::{PracticalDifference, bayesian_signed_rank},
    correlation::{Spearman, spearman},
    friedman::{Friedman, friedman},
    kruskal_wallis::{KruskalWallis, kruskal_wallis},
    mann_whitney::{mann_whitney, mann_whitney_by},
    nemenyi::{MeanRanks, mean_ranks, nemenyi},
    theil_sen::{Slope, theil_sen, theil_sen_within},
    wilcoxon::{Zeros, wilcoxon_signed_rank, wilcoxon_signed_rank_by},
};

/// A statistic with its two-sided p-value.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RankTest {
    /// The statistic that the test defines.
    pub statistic: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// How the p-value was computed; never [`PValue::Auto`].
    pub method: PValue,
}

/// How a p-value is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PValue {
    /// Exact for few data, else asymptotic; each test documents its limit.
    Auto,
    /// From all arrangements of the ranks, tied ones included.
    Exact,
    /// From a limiting distribution, corrected for ties.
    Asymptotic,
}
