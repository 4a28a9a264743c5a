//! Tables of all records in memory, for tests and small sets.

#[cfg(feature = "parquet")]
use std::io;

use record::RunRecord;

use super::formats::RecordExporter;

/// All records as one CSV table: every single value of a record in a column named by its path in the
/// journal, such as `spec.task.train.epochs` or `energy.total.joules`. Lists (losses, times of
/// requests, domains, probes) are only in the Parquet table and in the journal; an absent value is an
/// empty field.
#[must_use]
pub fn records_csv(records: &[RunRecord]) -> String {
    let mut bytes = Vec::new();
    let csv = RecordExporter::of("csv").expect("CSV is always built");
    csv.write(&records, &mut bytes).expect("memory takes a table");
    String::from_utf8(bytes).expect("fields are text")
}

/// All records as one table, the bytes of a Parquet file: the columns of
/// [`records_csv`](super::records_csv) as numbers, truth values or text, and lists (losses, times of
/// requests, domains, probes) as JSON. An absent value is null.
///
/// # Errors
///
/// If the records cannot be encoded.
#[cfg(feature = "parquet")]
pub fn records_parquet(records: &[RunRecord]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    RecordExporter::of("parquet").map_err(io::Error::other)?.write(&records, &mut bytes)?;
    Ok(bytes)
}
