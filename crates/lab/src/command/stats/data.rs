//! The data that the subcommands analyze, as arguments.

use std::path::PathBuf;

use super::columns::Columns;

/// Arguments of every subcommand.
#[derive(Debug, clap::Args)]
pub(super) struct Data {
    /// CSV file whose first line has the names of the columns.
    pub(super) file: PathBuf,
    /// Column with the numbers to analyze.
    #[arg(long, value_name = "COL")]
    pub(super) response: String,
    /// Columns that identify a setting whose repeated rows may be correlated. Without this flag, each
    /// remaining column is checked. With it, `anova` also analyzes the means of the settings.
    #[arg(long, value_name = "COL,COL", default_value = "", hide_default_value = true)]
    pub(super) cluster: Columns,
    /// Column with the order or time of the runs, to look for drift. Without it, the order of the rows.
    #[arg(long, value_name = "COL")]
    pub(super) order: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    pub(super) json: bool,
}
