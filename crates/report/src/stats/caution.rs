//! Warnings about a result, typed and with advice.

use std::fmt;

use super::{Drift, FTest, Intraclass, ShapiroWilk, multiple::holm};

/// A reason not to take a result at face value; its `Display` text names the problem and the remedy.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Caution {
    /// Rows of the same cluster are correlated.
    Dependent {
        /// The columns that identify a cluster; `None` if they are unknown.
        cluster: Option<String>,
        /// Intra-class correlation.
        icc: f64,
        /// Number of rows.
        rows: usize,
        /// Number of independent rows that carry as much information.
        effective_rows: f64,
    },
    /// Each cluster, such as a setting, occurs with a single level of a factor.
    Confounded {
        /// The factor.
        factor: String,
        /// The columns that identify a cluster.
        with: String,
    },
    /// Two factors are associated.
    Correlated {
        /// A factor.
        a: String,
        /// Another.
        b: String,
        /// Cramér's V, in [0, 1].
        v: f64,
    },
    /// A factor was analyzed alone although another one has a larger effect.
    Marginal {
        /// The factor analyzed.
        factor: String,
        /// Its η² in a one-way analysis.
        share: f64,
        /// The other factor.
        other: String,
        /// Its η² in a one-way analysis.
        larger: f64,
    },
    /// The response drifts with the order of the runs.
    Drift {
        /// The cell with the strongest drift.
        cell: String,
        /// Rank correlation of response and order in that cell.
        rho: f64,
        /// Number of cells with drift.
        cells: usize,
    },
    /// The residuals are not normal.
    NotNormal {
        /// W of the Shapiro-Wilk test.
        w: f64,
        /// Its p-value.
        p: f64,
    },
    /// The groups have unequal variances.
    UnequalSpread {
        /// F of the Brown-Forsythe test.
        f: f64,
        /// Its p-value.
        p: f64,
    },
}

impl Caution {
    /// A caution about an intra-class correlation, if clusters differ (p < 0.05) and the design effect
    /// is above 1.25.
    #[must_use]
    pub fn of_dependence(found: &Intraclass) -> Option<Self> {
        let Intraclass { icc, rows, effective_rows, .. } = *found;
        let warns = found.p < 0.05 && found.design_effect > 1.25;
        warns.then_some(Self::Dependent { cluster: None, icc, rows, effective_rows })
    }

    /// As [`Caution::of_dependence`], naming the columns that make a cluster.
    #[must_use]
    pub fn of_dependence_in(found: &Intraclass, columns: &str) -> Option<Self> {
        match Self::of_dependence(found)? {
            Self::Dependent { icc, rows, effective_rows, .. } => {
                let cluster = Some(columns.to_owned());
                Some(Self::Dependent { cluster, icc, rows, effective_rows })
            }
            other => Some(other),
        }
    }

    /// Word for the kind, as in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Dependent { .. } => "dependent",
            Self::Confounded { .. } => "confounded",
            Self::Correlated { .. } => "correlated",
            Self::Marginal { .. } => "marginal",
            Self::Drift { .. } => "drift",
            Self::NotNormal { .. } => "not-normal",
            Self::UnequalSpread { .. } => "unequal-spread",
        }
    }

    /// A caution about the drifts of all cells, if one has |ρ| ≥ 0.3 and p < 0.05 (adjusted for the
    /// number of cells by Holm's method).
    #[must_use]
    pub fn of_drift(found: &[Drift]) -> Option<Self> {
        let p: Vec<f64> = found.iter().map(|found| found.correlation.p).collect();
        let adjusted = holm(&p).ok()?;
        let drifting: Vec<&Drift> = found
            .iter()
            .zip(adjusted)
            .filter(|(found, p)| *p < 0.05 && found.correlation.rho.abs() >= 0.3)
            .map(|(found, _)| found)
            .collect();
        let worst = drifting
            .iter()
            .max_by(|a, b| a.correlation.rho.abs().total_cmp(&b.correlation.rho.abs()))?;
        let (cell, rho) = (worst.levels.join(" "), worst.correlation.rho);
        Some(Self::Drift { cell, rho, cells: drifting.len() })
    }

    /// A caution about a normality test of the residuals, if p < 0.05.
    #[must_use]
    pub fn of_normality(found: &ShapiroWilk) -> Option<Self> {
        (found.p < 0.05).then_some(Self::NotNormal { w: found.w, p: found.p })
    }

    /// A caution about a test of equal variances, if p < 0.05.
    #[must_use]
    pub fn of_spread(found: &FTest) -> Option<Self> {
        (found.p < 0.05).then_some(Self::UnequalSpread { f: found.f, p: found.p })
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependent { cluster, icc, rows, effective_rows } => write!(
                f,
                "Repeats of one setting{} are correlated (intra-class correlation {icc:.2}): {rows} rows \
                 carry as much information as about {effective_rows:.0} independent rows. Analyze the \
                 means of the settings, or resample settings instead of rows.",
                cluster.as_ref().map_or_else(String::new, |cluster| format!(" (`{cluster}`)")),
            ),
            Self::Confounded { factor, with } => write!(
                f,
                "Every setting (`{with}`) occurs with one level of `{factor}` only, so an effect of \
                 `{factor}` cannot be separated from an effect of the settings. Use the same settings \
                 with every level."
            ),
            Self::Correlated { a, b, v } => write!(
                f,
                "`{a}` and `{b}` are associated (Cramér's V = {v:.2}), so part of the variance cannot be \
                 attributed to either. Compare types II and III, or use equally filled cells."
            ),
            Self::Marginal { factor, share, other, larger } => write!(
                f,
                "`{other}` has a larger effect on the response than `{factor}` (η² {larger:.3} and \
                 {share:.3}), so an effect size over all levels of `{other}` is misleading. Compare \
                 within levels of `{other}`, or read the partial η² of both in an analysis of variance."
            ),
            Self::Drift { cell, rho, cells } => write!(
                f,
                "The response drifts with the order of the runs in {cells} {} (most in `{cell}`, rank \
                 correlation {}). Randomize the order, or compare within blocks of runs made together.",
                if *cells == 1 { "cell" } else { "cells" },
                format!("{rho:.2}").replace('-', "\u{2212}"),
            ),
            Self::NotNormal { w, p } => write!(
                f,
                "The residuals are not normal (Shapiro-Wilk W = {w:.3}, p = {p:.1e}). With few \
                 rows, also read a rank test."
            ),
            Self::UnequalSpread { f: statistic, p } => write!(
                f,
                "The groups have unequal variances (Brown-Forsythe F = {statistic:.1}, p = {p:.1e}). Use \
                 Welch's test or the Games-Howell test, which do not pool the variances."
            ),
        }
    }
}
