//! `wattlab stats`: the report's statistics on any CSV file.

mod anova;
mod columns;
mod compare;
mod data;
mod figure;
mod formula;
mod friedman;
mod kruskal;
mod mixed;
mod practical;
mod repeated;
mod show;
mod table;
mod tukey;
mod warn;

use crate::Failure;

/// Subcommands of `wattlab stats`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Analysis of variance of crossed factors with all interactions, or of any model by a formula.
    Anova(anova::Args),
    /// Compare all pairs of cells, or of means in a model, by Tukey's HSD test.
    Tukey(tukey::Args),
    /// Kruskal-Wallis rank test of one factor.
    Kruskal(kruskal::Args),
    /// Friedman's test of treatments within blocks, with all pairs by Nemenyi's and Wilcoxon's tests.
    Friedman(friedman::Args),
    /// Compare all pairs of levels of one factor: t test, rank test, effect sizes, bootstrap interval.
    Compare(compare::Args),
}

/// Runs a subcommand.
///
/// # Errors
///
/// If the file cannot be read or its data do not allow the analysis.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Anova(args) => anova::run(args),
        Command::Tukey(args) => tukey::run(args),
        Command::Kruskal(args) => kruskal::run(args),
        Command::Friedman(args) => friedman::run(args),
        Command::Compare(args) => compare::run(args),
    }
    .map_err(Failure::BadInput)
}
