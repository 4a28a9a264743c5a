//! Records as rows of a table: a column for every value.

use std::{collections::HashMap, io};

use rayon::prelude::*;
use record::RunRecord;
use serde_json::Value;

/// Records that can be read several times, some at a time: a journal need not fit into memory.
pub trait RecordSource {
    /// Passes all records to `sink`, in order.
    ///
    /// # Errors
    ///
    /// If the records cannot be read, or if `sink` fails.
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()>;
}

/// Number of records that are passed on together.
pub const RECORDS_AT_ONCE: usize = 4096;

impl RecordSource for &[RunRecord] {
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()> {
        self.chunks(RECORDS_AT_ONCE).try_for_each(sink)
    }
}

/// The columns of a table of records.
pub(super) struct Columns {
    /// In order of first appearance.
    pub(super) list: Vec<Column>,
    indices: HashMap<String, usize>,
}

/// A path in a record, and the types of its values.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kinds: Kinds,
}

/// Which types all values of a column have.
#[derive(Clone, Copy)]
pub(super) struct Kinds {
    pub(super) truth: bool,
    pub(super) integer: bool,
    pub(super) unsigned: bool,
    pub(super) number: bool,
    /// Whether any value is a list.
    pub(super) array: bool,
}

/// A record's values, one per column.
pub(super) type Row = Vec<Option<Value>>;

impl Columns {
    /// The columns of all values that any record has.
    pub(super) fn of(source: &dyn RecordSource) -> io::Result<Self> {
        let mut this = Self { list: Vec::new(), indices: HashMap::new() };
        source.each(&mut |records| {
            let records: Vec<_> = records.par_iter().map(fields).collect();
            records.into_iter().flatten().for_each(|(name, value)| this.see(name, &value));
            Ok(())
        })?;
        Ok(this)
    }

    fn see(&mut self, name: String, value: &Value) {
        let index = match self.indices.get(&name) {
            Some(index) => *index,
            None => {
                let none = Kinds {
                    truth: true,
                    integer: true,
                    unsigned: true,
                    number: true,
                    array: false,
                };
                self.list.push(Column { name: name.clone(), kinds: none });
                self.indices.insert(name, self.list.len() - 1);
                self.list.len() - 1
            }
        };
        if value.is_null() {
            return;
        }
        let kinds = &mut self.list[index].kinds;
        kinds.truth &= value.is_boolean();
        kinds.integer &= value.is_i64();
        kinds.unsigned &= value.is_u64();
        kinds.number &= value.is_number();
        kinds.array |= value.is_array();
    }

    /// Records as rows of these columns; an absent value is `None`.
    pub(super) fn rows(&self, records: &[RunRecord]) -> Vec<Row> {
        let row = |record| {
            let mut row = vec![None; self.list.len()];
            for (name, value) in fields(record) {
                if let (Some(index), false) = (self.indices.get(&name), value.is_null()) {
                    row[*index] = Some(value);
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
