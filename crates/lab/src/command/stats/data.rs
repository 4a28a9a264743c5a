//! The data that the subcommands analyze, as arguments.

use std::path::PathBuf;

use super::{columns::Columns, table::Table};

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

impl Data {
    /// Reads the file, without the rows that lack a value in a column of the analysis: the response, those
    /// of the flags above, and `others`.
    pub(super) fn table(&self, others: &[&str]) -> Result<Table, anyhow::Error> {
        let mut table = Table::read(&self.file)?;
        let mut columns = vec![self.response.as_str()];
        columns.extend(others);
        columns.extend(self.cluster.0.iter().map(String::as_str));
        columns.extend(self.order.as_deref());
        table.keep_complete(&columns)?;
        Ok(table)
    }
}
