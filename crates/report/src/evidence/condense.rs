//! Condensed copies: the columns that an adapter reads, with their values as published.

use super::{Adapter, EvidenceError, EvidenceFile, read::reader};

/// The columns of a table that the adapter reads, all rows, in the table's order.
///
/// # Errors
///
/// If the licence forbids a copy, the text is not CSV, or a column is missing.
pub fn condensed(
    adapter: &Adapter,
    file: &EvidenceFile,
    text: &str,
) -> Result<String, EvidenceError> {
    if !adapter.licence.redistribute {
        return Err(EvidenceError::NotFree {
            name: adapter.name.clone(),
            licence: adapter.licence.name.clone(),
        });
    }
    let of_csv = |source| EvidenceError::Csv { file: file.name.clone(), source };
    let mut reader = reader(adapter, file, &file.name, text)?;
    let head = reader.headers().map_err(of_csv)?.clone();
    let mut picked = Vec::new();
    for column in adapter.columns_read() {
        let at = head.iter().position(|name| name == column);
        picked.push(at.ok_or_else(|| EvidenceError::Column {
            file: file.name.clone(),
            adapter: adapter.name.clone(),
            column: column.to_owned(),
            found: head.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        })?);
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    let pick = |row: &csv::StringRecord| -> csv::StringRecord {
        picked.iter().map(|at| row.get(*at).unwrap_or_default().trim()).collect()
    };
    writer.write_record(&pick(&head)).map_err(of_csv)?;
    for row in reader.records() {
        let row = row.map_err(of_csv)?;
        if row.len() == head.len() {
            writer.write_record(&pick(&row)).map_err(of_csv)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| of_csv(error.into_error().into()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
