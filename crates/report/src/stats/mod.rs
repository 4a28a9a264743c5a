//! Statistics, usable alone: slices in, values out; too little or unfit data is an error, never a
//! NaN.

mod anova;
mod bootstrap;
mod describe;
mod distribution;
mod error;
mod factor;
mod interval;
mod least_squares;
mod means;
mod multiple;
mod order;
mod rank;

pub use self::{
    anova::{Anova, AnovaTerm, Effects, Residual, SumsOfSquares, anova, anova_of},
    bootstrap::{Bootstrap, BootstrapInterval, BootstrapMethod, Units},
    describe::{Description, describe, mean, median, quantile, standard_deviation, variance},
    error::StatsError,
    factor::Factor,
    interval::Interval,
    means::{CellMean, MarginalMean, cell_means, cell_residuals, marginal_means},
    multiple::{benjamini_hochberg, holm},
    rank::{
        Friedman, Kendall, KruskalWallis, PValue, RankTest, Slope, Spearman, Zeros, friedman,
        kendall, kruskal_wallis, mann_whitney, mann_whitney_by, spearman, theil_sen,
        theil_sen_within, wilcoxon_signed_rank, wilcoxon_signed_rank_by,
    },
};
