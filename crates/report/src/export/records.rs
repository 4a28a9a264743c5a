//! Every record as a row, for other programs.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use rayon::prelude::*;
use record::RunRecord;
use serde_json::Value;

/// Records some at a time, as often as they are asked for: a journal's need not fit into memory.
pub trait RecordSource {
    /// Hands out all records, in order.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or as `sink` says.
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()>;
}

/// Records that are looked at together.
pub const RECORDS_AT_ONCE: usize = 4096;

impl RecordSource for [RunRecord] {
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()> {
        self.chunks(RECORDS_AT_ONCE).try_for_each(sink)
    }
}

/// Writes all records as one CSV table: every single value of a record in a column named by its path
/// in the journal, such as `spec.task.train.epochs` or `energy.total.joules`. Lists (losses, times
/// of requests, domains, probes) are in [`records_parquet`](super::records_parquet) and in the
/// journal; an absent value is an empty field.
#[must_use]
pub fn records_csv(records: &[RunRecord]) -> String {
    let mut bytes = Vec::new();
    write_records_csv(records, &mut bytes).expect("memory takes a table");
    String::from_utf8(bytes).expect("fields are text")
}

/// The same, some records at a time.
///
/// # Errors
///
/// If the records cannot be read or the table cannot be written.
pub fn write_records_csv(
    source: &(impl RecordSource + ?Sized),
    out: &mut impl Write,
) -> io::Result<()> {
    let columns = Columns::of(source)?;
    let mut writer = Csv::new(&columns, out)?;
    source.each(&mut |records| writer.push(&columns.rows(records)))?;
    writer.finish()
}

/// A CSV table being written.
pub(super) struct Csv<W: Write> {
    writer: csv::Writer<W>,
    /// Columns that are no lists.
    shown: Vec<usize>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(columns: &Columns, out: W) -> io::Result<Self> {
        let list = columns.list.iter().enumerate();
        let shown: Vec<usize> = list.filter(|it| !it.1.kinds.array).map(|it| it.0).collect();
        let mut writer = csv::Writer::from_writer(out);
        if !shown.is_empty() {
            writer.write_record(shown.iter().map(|it| &columns.list[*it].name))?;
        }
        Ok(Self { writer, shown })
    }

    pub(super) fn push(&mut self, rows: &[Row]) -> io::Result<()> {
        for row in rows {
            let fields = self.shown.iter().map(|it| match &row[*it] {
                None => String::new(),
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            });
            self.writer.write_record(fields)?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The columns of a table of records.
pub(super) struct Columns {
    /// In order of first appearance.
    pub(super) list: Vec<Column>,
    places: HashMap<String, usize>,
}

/// A path in a record, and what was seen there.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kinds: Kinds,
}

/// Of which kinds all values of a column are.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    pub(super) truth: bool,
    pub(super) integer: bool,
    pub(super) unsigned: bool,
    pub(super) number: bool,
    /// Whether any is a list.
    pub(super) array: bool,
}

/// A record's values, one a column.
pub(super) type Row = Vec<Option<Value>>;

impl Columns {
    /// Those that any record has.
    pub(super) fn of(source: &(impl RecordSource + ?Sized)) -> io::Result<Self> {
        let mut this = Self { list: Vec::new(), places: HashMap::new() };
        source.each(&mut |records| {
            let records: Vec<_> = records.par_iter().map(fields).collect();
            records.into_iter().flatten().for_each(|(name, value)| this.see(name, &value));
            Ok(())
        })?;
        Ok(this)
    }

    fn see(&mut self, name: String, value: &Value) {
        let at = match self.places.get(&name) {
            Some(at) => *at,
            None => {
                let none = Kinds {
                    truth: true,
                    integer: true,
                    unsigned: true,
                    number: true,
                    array: false,
                };
                self.list.push(Column { name: name.clone(), kinds: none });
                self.places.insert(name, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        if value.is_null() {
            return;
        }
        let kinds = &mut self.list[at].kinds;
        kinds.truth &= value.is_boolean();
        kinds.integer &= value.is_i64();
        kinds.unsigned &= value.is_u64();
        kinds.number &= value.is_number();
        kinds.array |= value.is_array();
    }

    /// Records as rows of these columns; what is absent is `None`.
    pub(super) fn rows(&self, records: &[RunRecord]) -> Vec<Row> {
        let row = |record| {
            let mut row = vec![None; self.list.len()];
            for (name, value) in fields(record) {
                if let (Some(at), false) = (self.places.get(&name), value.is_null()) {
                    row[*at] = Some(value);
                }
            }
            row
        };
        records.par_iter().map(row).collect()
    }
}

fn fields(record: &RunRecord) -> Vec<(String, Value)> {
    let mut fields = Vec::new();
    let value = serde_json::to_value(record).expect("a record is plain data");
    flatten(String::new(), value, &mut fields);
    fields
}

/// The single values and lists of a record by their paths.
fn flatten(path: String, value: Value, fields: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{dot}{key}"), value, fields);
            }
        }
        other => fields.push((path, other)),
    }
}
