//! The report as files: one page, Markdown, each figure and table by itself, and every record.
//!
//! [`EXPORTERS`] lists the kinds of files. A new kind is a file of this folder and an entry there.

mod archive;
mod columns;
mod csv;
mod emissions;
mod exporter;
mod files;
mod formats;
mod in_memory;
mod latex;
mod markdown;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "pdf")]
mod pdf;
mod record_writer;
mod records_csv;
mod values;
mod whole_file;

#[cfg(feature = "parquet")]
pub use self::in_memory::records_parquet;
#[cfg(feature = "pdf")]
pub use self::pdf::pdf;
pub use self::{
    archive::{STUDIES_BIB, ro_crate},
    columns::{RECORDS_AT_ONCE, RecordSource},
    csv::csv,
    emissions::emissions_csv,
    exporter::{EXPORTERS, Exporter},
    files::{write, write_records},
    formats::{FormatError, Formats, RecordExporter},
    in_memory::records_csv,
    latex::latex,
    markdown::markdown,
    whole_file::WholeFile,
};
