//! The data that the subcommands analyze, as arguments.

use std::path::PathBuf;

use super::columns::Columns;

/// Arguments of every subcommand.
#[derive(Debug, clap::Args)]
pub(super) struct Rows {
    /// CSV file whose first line has the names of the columns.
    pub(super) file: PathBuf,
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

/// What is analyzed.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) file: PathBuf,
    /// Column with the numbers to analyze.
    pub(super) response: String,
    pub(super) cluster: Columns,
    pub(super) order: Option<String>,
    pub(super) json: bool,
    /// Columns of a model that are no factors with fixed effects.
    pub(super) beside: Vec<String>,
}

impl Rows {
    /// The analysis of a column.
    pub(super) fn of(&self, response: &str) -> Data {
        Data {
            file: self.file.clone(),
            response: response.to_owned(),
            cluster: self.cluster.clone(),
            order: self.order.clone(),
            json: self.json,
            beside: Vec::new(),
        }
    }
}
