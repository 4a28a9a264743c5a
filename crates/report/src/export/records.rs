//! Every record as a row, for other programs.

use record::RunRecord;
use serde_json::Value;

/// Writes all records as one CSV table: every single value of a record in a column named by its path
/// in the journal, such as `spec.task.train.epochs` or `energy.total.joules`. Lists (losses, times
/// of requests, domains, probes) stay in the journal; an absent value is an empty field.
#[must_use]
pub fn records_csv(records: &[RunRecord]) -> String {
    let rows: Vec<Vec<(String, String)>> = records
        .iter()
        .map(|it| {
            let value = serde_json::to_value(it).expect("a record is plain data");
            let mut fields = Vec::new();
            flatten(String::new(), &value, &mut fields);
            fields
        })
        .collect();
    let mut columns: Vec<&String> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (name, _) in rows.iter().flatten() {
        if seen.insert(name) {
            columns.push(name);
        }
    }
    if columns.is_empty() {
        return String::new();
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&columns).expect("memory takes a header");
    for row in &rows {
        let of: std::collections::BTreeMap<&String, &String> =
            row.iter().map(|(name, field)| (name, field)).collect();
        let fields = columns.iter().map(|it| of.get(it).map_or("", |it| it.as_str()));
        writer.write_record(fields).expect("memory takes records of equal length");
    }
    let bytes = writer.into_inner().expect("memory can be flushed");
    String::from_utf8(bytes).expect("fields are text")
}

fn flatten(path: String, value: &Value, fields: &mut Vec<(String, String)>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(format!("{path}{dot}{key}"), value, fields);
            }
        }
        Value::Array(_) => {}
        Value::Null => fields.push((path, String::new())),
        Value::String(text) => fields.push((path, text.clone())),
        other => fields.push((path, other.to_string())),
    }
}
