//! The report as files: one page, Markdown, and each figure and table for itself.

mod archive;
mod csv;
mod emissions;
mod files;
mod latex;
mod markdown;
mod parquet;
mod pdf;
mod records;

use record::Origin;

pub use self::{
    archive::{STUDIES_BIB, ro_crate},
    csv::csv,
    emissions::emissions_csv,
    files::{MOST_RECORDS, WholeFile, write, write_records},
    latex::latex,
    markdown::markdown,
    parquet::{records_parquet, write_records_parquet},
    pdf::pdf,
    records::{RECORDS_AT_ONCE, RecordSource, records_csv, write_records_csv},
};
use crate::document::{Cell, Number, origin_mark, p_value, with_interval};

/// A cell as readers see it, with the mark of its origin if it is an energy.
pub(crate) fn cell_text(cell: &Cell) -> (String, Option<Origin>) {
    let number = |it: &Number| {
        if it.value.is_finite() {
            with_interval(it.value, it.interval, it.digits)
        } else {
            "–".to_owned()
        }
    };
    match cell {
        Cell::Text(text) => (text.clone(), None),
        Cell::Integer(count) => (crate::document::grouped(*count), None),
        Cell::Number(it) => (number(it), None),
        Cell::Energy(it, origin) => (number(it), Some(*origin)),
        Cell::PValue(p) => (p_value(*p), None),
        Cell::Missing => ("–".to_owned(), None),
    }
}

/// A cell in plain text: `1,674 [1,650 to 1,690] (est.)`.
pub(crate) fn plain_text(cell: &Cell) -> String {
    match cell_text(cell) {
        (text, None) => text,
        (text, Some(origin)) => format!("{text} ({})", origin_mark(origin)),
    }
}
