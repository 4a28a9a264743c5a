//! The kinds of files that a report consists of.

use std::io;

use super::{
    csv::csv, emissions, latex::latex, markdown::markdown, record_writer::Begin, records_csv,
    values::values,
};
use crate::{
    document::{Document, Table},
    page::html,
    plot::{Figure, svg},
};

/// One kind of file of a report.
#[derive(Debug)]
#[non_exhaustive]
pub struct Exporter {
    /// Path in the folder of the report: `index.html`, or `figures/ID.svg` for a file per figure.
    pub path: &'static str,
    /// Format of the file, which is also the extension of its name: `svg`.
    pub format: &'static str,
    /// Media type of the format, such as `image/svg+xml`.
    pub media_type: &'static str,
    /// Cargo feature that the exporter needs; `None` if it is always built.
    pub feature: Option<&'static str>,
    /// What it writes; `None` if this build lacks the feature.
    pub(super) output: Option<Output>,
}

impl Exporter {
    /// Whether this build can write the file.
    #[must_use]
    pub fn is_built(&self) -> bool {
        self.output.is_some()
    }
}

/// From which part of a report a file is made.
#[derive(Debug)]
pub(super) enum Output {
    /// One file of the whole document.
    Document(fn(&Document) -> String),
    /// A file for each figure.
    Figure(fn(&Figure) -> io::Result<Vec<u8>>),
    /// A file for each table.
    Table(fn(&Table) -> String),
    /// One file of all records.
    Records(Begin),
}

/// Every kind of file, in the order written.
pub static EXPORTERS: &[Exporter] = &[
    Exporter {
        path: "index.html",
        format: "html",
        media_type: "text/html",
        feature: None,
        output: Some(Output::Document(html)),
    },
    Exporter {
        path: "report.md",
        format: "md",
        media_type: "text/markdown",
        feature: None,
        output: Some(Output::Document(markdown)),
    },
    Exporter {
        path: "figures/ID.svg",
        format: "svg",
        media_type: "image/svg+xml",
        feature: None,
        output: Some(Output::Figure(|figure| Ok(svg(figure).into_bytes()))),
    },
    Exporter {
        path: "figures/ID.pdf",
        format: "pdf",
        media_type: "application/pdf",
        feature: Some("pdf"),
        #[cfg(feature = "pdf")]
        output: Some(Output::Figure(super::pdf::pdf)),
        #[cfg(not(feature = "pdf"))]
        output: None,
    },
    Exporter {
        path: "figures/ID.csv",
        format: "csv",
        media_type: "text/csv",
        feature: None,
        output: Some(Output::Figure(|figure| Ok(csv(&values(figure)).into_bytes()))),
    },
    Exporter {
        path: "tables/ID.csv",
        format: "csv",
        media_type: "text/csv",
        feature: None,
        output: Some(Output::Table(csv)),
    },
    Exporter {
        path: "tables/ID.tex",
        format: "tex",
        media_type: "text/x-tex",
        feature: None,
        output: Some(Output::Table(latex)),
    },
    Exporter {
        path: "records.csv",
        format: "csv",
        media_type: "text/csv",
        feature: None,
        output: Some(Output::Records(records_csv::begin)),
    },
    Exporter {
        path: "records.parquet",
        format: "parquet",
        media_type: "application/vnd.apache.parquet",
        feature: Some("parquet"),
        #[cfg(feature = "parquet")]
        output: Some(Output::Records(super::parquet::begin)),
        #[cfg(not(feature = "parquet"))]
        output: None,
    },
    Exporter {
        path: "emissions.csv",
        format: "csv",
        media_type: "text/csv",
        feature: None,
        output: Some(Output::Records(emissions::begin)),
    },
];
