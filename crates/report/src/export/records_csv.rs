//! Every record as a row of a CSV file.

use std::io::{self, Write};

use record::RunRecord;
use serde_json::Value;

use super::{
    columns::{Columns, Row},
    record_writer::RecordWriter,
};

/// A CSV table being written.
pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
    /// Indices of the columns that are not lists.
    shown: Vec<usize>,
}

/// Begins the file.
pub(super) fn begin<'a>(
    columns: &'a Columns,
    out: &'a mut (dyn Write + Send),
) -> io::Result<Box<dyn RecordWriter + 'a>> {
    Ok(Box::new(Csv::new(columns, out)?))
}

impl<W: Write> Csv<W> {
    fn new(columns: &Columns, out: W) -> io::Result<Self> {
        let list = columns.list.iter().enumerate();
        let shown: Vec<usize> =
            list.filter(|(_, column)| !column.kinds.array).map(|(index, _)| index).collect();
        let mut writer = csv::Writer::from_writer(out);
        if !shown.is_empty() {
            writer.write_record(shown.iter().map(|index| &columns.list[*index].name))?;
        }
        Ok(Self { writer, shown })
    }
}

impl<W: Write> RecordWriter for Csv<W> {
    fn push(&mut self, _records: &[RunRecord], rows: &[Row]) -> io::Result<()> {
        for row in rows {
            let fields = self.shown.iter().map(|index| match &row[*index] {
                None => String::new(),
                Some(Value::String(text)) => units::spreadsheet_text(text).into_owned(),
                Some(other) => other.to_string(),
            });
            self.writer.write_record(fields)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.writer.flush()
    }
}
