//! The report as files: one page, Markdown, each figure and table by itself, and every record.
//!
//! [`EXPORTERS`] lists the kinds of files. A new kind is a file of this folder and an entry there.

mod archive;
mod csv;
mod emissions;
mod exporter;
mod files;
mod formats;
mod latex;
mod markdown;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "pdf")]
mod pdf;
mod records;
mod values;
mod whole_file;

#[cfg(feature = "parquet")]
pub use self::parquet::records_parquet;
#[cfg(feature = "pdf")]
pub use self::pdf::pdf;
pub use self::{
    archive::{STUDIES_BIB, ro_crate},
    csv::csv,
    emissions::emissions_csv,
    exporter::{EXPORTERS, Exporter},
    files::{write, write_records},
    formats::{FormatError, Formats, RecordExporter},
    latex::latex,
    markdown::markdown,
    records::{RECORDS_AT_ONCE, RecordSource, records_csv},
    whole_file::WholeFile,
};
