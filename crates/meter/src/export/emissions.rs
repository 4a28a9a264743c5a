//! `emissions.csv` with CodeCarbon's columns, for tools that read those.

use crate::{carbon::Carbon, span_report::SpanReport};

pub use units::{EmissionsRow, emissions_columns, emissions_header};

/// The row of a report. The fields that neither a report nor an amount of carbon knows are empty.
#[must_use]
pub fn row<'a>(report: &'a SpanReport, carbon: Option<&Carbon>) -> EmissionsRow<'a> {
    EmissionsRow {
        duration: report.duration,
        total: report.total,
        domains: &report.domains,
        carbon_g: carbon.map(|carbon| carbon.grams),
        pue: carbon.map(|carbon| carbon.pue),
        os: std::env::consts::OS.to_owned(),
        ..EmissionsRow::default()
    }
}
