//! Every record as a row, for other programs.

use std::collections::{BTreeMap, BTreeSet};

use record::RunRecord;
use serde_json::Value;

/// Writes all records as one CSV table: every single value of a record in a column named by its path
/// in the journal, such as `spec.task.train.epochs` or `energy.total.joules`. Lists (losses, times
/// of requests, domains, probes) are in [`records_parquet`](super::records_parquet) and in the
/// journal; an absent value is an empty field.
#[must_use]
pub fn records_csv(records: &[RunRecord]) -> String {
    let rows = Rows::of(records);
    let columns: Vec<&str> = rows.columns().filter(|it| !rows.is_list(it)).collect();
    if columns.is_empty() {
        return String::new();
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns).expect("memory takes a header");
    for row in 0..records.len() {
        let fields = columns.iter().map(|column| match rows.value(row, column) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        });
        writer.write_record(fields).expect("memory takes records of equal length");
    }
    let bytes = writer.into_inner().expect("memory can be flushed");
    String::from_utf8(bytes).expect("fields are text")
}

/// Records as a table: a column for each path.
pub(super) struct Rows {
    /// In order of first appearance.
    columns: Vec<String>,
    /// What a record has, without what is absent.
    values: Vec<BTreeMap<String, Value>>,
}

impl Rows {
    pub(super) fn of(records: &[RunRecord]) -> Self {
        let (mut columns, mut seen) = (Vec::new(), BTreeSet::new());
        let mut values = Vec::with_capacity(records.len());
        for record in records {
            let mut fields = Vec::new();
            let value = serde_json::to_value(record).expect("a record is plain data");
            flatten(String::new(), value, &mut fields);
            for (name, _) in &fields {
                if seen.insert(name.clone()) {
                    columns.push(name.clone());
                }
            }
            values.push(fields.into_iter().filter(|it| !it.1.is_null()).collect());
        }
        Self { columns, values }
    }

    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(String::as_str)
    }

    /// What record `row` has in a column, if anything.
    pub(super) fn value(&self, row: usize, column: &str) -> Option<&Value> {
        self.values[row].get(column)
    }

    /// What there is in a column, record by record.
    pub(super) fn values<'a>(
        &'a self,
        column: &'a str,
    ) -> impl Iterator<Item = Option<&'a Value>> + Clone {
        self.values.iter().map(move |it| it.get(column))
    }

    fn is_list(&self, column: &str) -> bool {
        self.values(column).flatten().any(Value::is_array)
    }
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
