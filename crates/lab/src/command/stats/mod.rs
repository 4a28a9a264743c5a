//! `wattlab stats`: the report's statistics on any CSV file.

mod anova;
mod columns;
mod compare;
mod kruskal;
mod show;
mod table;
mod tukey;
mod warn;

use std::path::PathBuf;

use self::{columns::Columns, table::Table};
use crate::Failure;

/// Subcommands of `wattlab stats`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Analysis of variance of crossed factors with all interactions.
    Anova(anova::Args),
    /// Compare all pairs of cells by Tukey's HSD test.
    Tukey(tukey::Args),
    /// Kruskal-Wallis rank test of one factor.
    Kruskal(kruskal::Args),
    /// Compare all pairs of levels of one factor: t test, rank test, effect sizes, bootstrap interval.
    Compare(compare::Args),
}

/// Arguments of every subcommand.
#[derive(Debug, clap::Args)]
struct Data {
    /// CSV file whose first line has the names of the columns.
    file: PathBuf,
    /// Column with the numbers to analyze.
    #[arg(long, value_name = "COL")]
    response: String,
    /// Columns that identify a setting whose repeated rows may be correlated. Without this flag, each
    /// remaining column is checked. With it, `anova` also analyzes the means of the settings.
    #[arg(long, value_name = "COL,COL", default_value = "", hide_default_value = true)]
    cluster: Columns,
    /// Column with the order or time of the runs, to look for drift. Without it, the order of the rows.
    #[arg(long, value_name = "COL")]
    order: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
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
        Command::Compare(args) => compare::run(args),
    }
    .map_err(Failure::BadInput)
}

/// A number for JSON; `None` (`null`) if it is infinite.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
