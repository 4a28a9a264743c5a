//! What a reader must know before believing a p-value: typed warnings with advice.

use std::fmt;

use super::{Drift, FTest, Intraclass, ShapiroWilk, multiple::holm};

/// A reason not to take a result at face value, in plain words through `Display`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Caution {
    /// Rows of a cluster are alike.
    Dependent {
        /// The columns that name a cluster, if they are known.
        cluster: Option<String>,
        /// Intra-class correlation.
        icc: f64,
        /// Rows.
        rows: usize,
        /// Independent rows that would tell as much.
        effective_rows: f64,
    },
    /// Clusters, such as settings, that occur with one level of a factor only.
    Confounded {
        /// The factor.
        factor: String,
        /// The columns that name a cluster.
        with: String,
    },
    /// Factors of which one tells something of the other.
    Correlated {
        /// A factor.
        a: String,
        /// Another.
        b: String,
        /// Cramér's V, in [0, 1].
        v: f64,
    },
    /// A factor looked at alone, where another one moves the response more.
    Marginal {
        /// The factor looked at.
        factor: String,
        /// Its η², alone.
        share: f64,
        /// The other one.
        other: String,
        /// Its η², alone.
        larger: f64,
    },
    /// The response moves with the order of the runs.
    Drift {
        /// The cell in which it does so most.
        cell: String,
        /// Rank correlation there.
        rho: f64,
        /// Cells in which it does so.
        cells: usize,
    },
    /// Residuals are not normal.
    NotNormal {
        /// Shapiro and Wilk's W.
        w: f64,
        /// Its p-value.
        p: f64,
    },
    /// Groups vary unequally.
    UnequalSpread {
        /// Of Levene's test.
        f: f64,
        /// Its p-value.
        p: f64,
    },
}

impl Caution {
    /// From an intra-class correlation: if clusters differ (p < 0.05) and rows count for less than
    /// four fifths.
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

    /// A word for the kind, as in JSON.
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

    /// From the drifts of all cells: if any has |ρ| ≥ 0.3 and p < 0.05, adjusted for the number of
    /// cells (Holm).
    #[must_use]
    pub fn of_drift(found: &[Drift]) -> Option<Self> {
        let p: Vec<f64> = found.iter().map(|it| it.correlation.p).collect();
        let adjusted = holm(&p).ok()?;
        let drifting: Vec<&Drift> = found
            .iter()
            .zip(adjusted)
            .filter(|(it, p)| *p < 0.05 && it.correlation.rho.abs() >= 0.3)
            .map(|(it, _)| it)
            .collect();
        let worst = drifting
            .iter()
            .max_by(|a, b| a.correlation.rho.abs().total_cmp(&b.correlation.rho.abs()))?;
        let (cell, rho) = (worst.levels.join(" "), worst.correlation.rho);
        Some(Self::Drift { cell, rho, cells: drifting.len() })
    }

    /// From a test of the residuals: if p < 0.05.
    #[must_use]
    pub fn of_normality(found: &ShapiroWilk) -> Option<Self> {
        (found.p < 0.05).then_some(Self::NotNormal { w: found.w, p: found.p })
    }

    /// From a test of the spread: if p < 0.05.
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
                "Repeats of one setting{} are alike (intra-class correlation {icc:.2}): {rows} rows \
                 tell as much as about {effective_rows:.0} independent ones. Analyze the means of \
                 the settings, or resample settings instead of rows.",
                cluster.as_ref().map_or_else(String::new, |it| format!(" (`{it}`)")),
            ),
            Self::Confounded { factor, with } => write!(
                f,
                "Every setting (`{with}`) occurs with one level of `{factor}` only: an effect of \
                 `{factor}` cannot be told from one of the settings. Use the same settings with \
                 every level."
            ),
            Self::Correlated { a, b, v } => write!(
                f,
                "`{a}` and `{b}` change together (Cramér's V = {v:.2}): what they explain in common \
                 belongs to neither. Compare types II and III, or fill the cells equally."
            ),
            Self::Marginal { factor, share, other, larger } => write!(
                f,
                "`{other}` moves the response more than `{factor}` (η² {larger:.3} against \
                 {share:.3}), so an effect size over all its levels misleads. Compare within levels \
                 of `{other}`, or read the partial η² of both in an analysis of variance."
            ),
            Self::Drift { cell, rho, cells } => write!(
                f,
                "The response moves with the order of the runs in {cells} {} (most in `{cell}`, rank \
                 correlation {}). Randomize the order, or compare within blocks run together.",
                if *cells == 1 { "cell" } else { "cells" },
                format!("{rho:.2}").replace('-', "\u{2212}"),
            ),
            Self::NotNormal { w, p } => write!(
                f,
                "The residuals are not normal (Shapiro-Wilk W = {w:.3}, p = {p:.1e}). With few rows \
                 read the rank test beside the analysis of variance."
            ),
            Self::UnequalSpread { f: statistic, p } => write!(
                f,
                "The groups vary unequally (Brown-Forsythe F = {statistic:.1}, p = {p:.1e}). Compare \
                 with Welch's test or Games-Howell instead of a pooled variance."
            ),
        }
    }
}
