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
    /// Analysis of variance of crossed factors, with all their interactions.
    Anova(anova::Args),
    /// Tukey's comparison of all pairs of cells.
    Tukey(tukey::Args),
    /// Kruskal and Wallis's rank test of one factor.
    Kruskal(kruskal::Args),
    /// All pairs of levels of one factor in every customary way.
    Compare(compare::Args),
}

/// What every subcommand reads.
#[derive(Debug, clap::Args)]
struct Data {
    /// CSV file with a header.
    file: PathBuf,
    /// Column that is analyzed; numbers.
    #[arg(long, value_name = "COL")]
    response: String,
    /// Columns that name the setting of a run, whose repeats may be alike; without it they are
    /// looked for. `anova` then also analyzes the means of the settings.
    #[arg(long, value_name = "COL,COL", default_value = "", hide_default_value = true)]
    cluster: Columns,
    /// Column with the order or the time of the runs; without it the order of the rows.
    #[arg(long, value_name = "COL")]
    order: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs one.
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

/// A number JSON has; `null` for an infinite one.
fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
