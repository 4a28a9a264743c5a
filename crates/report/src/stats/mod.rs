//! Statistics on slices, which can be used alone. Too few or unfit data are an error, never a NaN.
//!
//! Every function names its source and is tested against values from R, SciPy or statsmodels.
//! P-values are two-sided. A confidence is a share, such as 0.95. Suggested reading order: the
//! description of a sample ([`describe`], [`Bootstrap`]), the effects of factors ([`anova`],
//! [`marginal_means`]), comparisons of samples ([`compare`] and its parts, [`tukey_hsd`]), trends
//! ([`linear_regression`], [`theil_sen`], [`non_negative_least_squares`]), and warnings about a design ([`intraclass_correlation`],
//! [`drift`], [`Caution`], [`screen`]).

mod anova;
mod bootstrap;
mod caution;
mod choice;
mod compare;
mod dependence;
mod describe;
mod distribution;
mod effect;
mod error;
mod factor;
mod interval;
mod jackknife;
mod least_squares;
mod looks;
mod means;
mod meta;
mod model;
mod multiple;
mod non_negative;
mod noncentral_f;
mod noncentral_t;
mod normality;
mod order;
mod paired_effect;
mod posthoc;
mod power;
mod proportion;
mod rank;
mod regression;
mod root;
mod scaled_chi;
mod screen;
mod spread;
mod survival;
mod t_test;

pub(crate) use self::distribution::{f_sf, normal_cdf, normal_quantile, t_quantile, t_two_sided};
pub use self::{
    anova::{Anova, AnovaTerm, EffectIntervals, Effects, Residual, SumsOfSquares, anova, anova_of},
    bootstrap::{Bootstrap, BootstrapInterval, BootstrapMethod, Units},
    caution::Caution,
    choice::{Choice, ChosenTest},
    compare::{
        LevelComparison, SampleComparison, compare, compare_levels, compare_levels_paired,
        compare_paired,
    },
    dependence::{
        Drift, Intraclass, cluster_means, drift, intraclass_correlation,
        intraclass_correlation_within,
    },
    describe::{Description, describe, mean, median, quantile, standard_deviation, variance},
    effect::{EffectSize, cliffs_delta, cohens_d, hedges_g},
    error::StatsError,
    factor::Factor,
    interval::Interval,
    jackknife::jackknife_interval,
    looks::look_error_rates,
    means::{CellMean, MarginalMean, cell_means, cell_residuals, marginal_means},
    meta::{BetweenStudies, RandomEffectsMean, random_effects_mean},
    model::{
        FittedRow, FixedEffect, Formula, MixedModel, MixedTerm, NamedColumn, RandomEffects,
        RandomVariance, Repeated, RepeatedMeasures, RepeatedTerm, Role, Sphericity, Term, Variable,
        anova_by_formula, fitted_rows, mixed_model, repeated_measures, tukey_by_formula,
    },
    multiple::holm,
    non_negative::non_negative_least_squares,
    normality::{ShapiroWilk, normal_plot, shapiro_wilk},
    paired_effect::{PairedEffects, paired_effects},
    posthoc::{
        PairComparison, dunn, games_howell, studentized_range_quantile, studentized_range_sf,
        tukey_hsd,
    },
    power::{t_test_power, t_test_sample_size},
    proportion::proportion_interval,
    rank::{
        Friedman, KruskalWallis, MeanRanks, PValue, PracticalDifference, RankTest, Slope, Spearman,
        Zeros, bayesian_signed_rank, friedman, kruskal_wallis, mann_whitney, mann_whitney_by,
        mean_ranks, nemenyi, spearman, theil_sen, theil_sen_within, wilcoxon_signed_rank,
        wilcoxon_signed_rank_by,
    },
    regression::{Coefficient, LinearFit, Prediction, linear_regression},
    screen::screen,
    spread::{Center, FTest, levene},
    survival::{SurvivalStep, kaplan_meier},
    t_test::{TTest, one_sample_t, paired_t, welch_t},
};
