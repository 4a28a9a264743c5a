//! What writes a file of records.

use std::io::{self, Write};

use record::RunRecord;

use super::columns::{Columns, Row};

/// Begins a file of records.
pub(super) type Begin =
    for<'a> fn(&'a Columns, &'a mut (dyn Write + Send)) -> io::Result<Box<dyn RecordWriter + 'a>>;

/// A file of records being written.
pub(super) trait RecordWriter {
    /// Adds records; `rows` are the same records as rows of the columns.
    fn push(&mut self, records: &[RunRecord], rows: &[Row]) -> io::Result<()>;

    /// Writes what is left.
    fn finish(self: Box<Self>) -> io::Result<()>;
}
