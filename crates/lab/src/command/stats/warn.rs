//! Cautions that are printed with the numbers.

use report::stats::{self, Caution, Factor};
use serde::Serialize;

use super::{
    data::Data,
    table::{Table, quoted},
};
use crate::output;

/// A caution, as in the JSON document.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Note {
    /// Its kind in a word.
    pub(super) kind: &'static str,
    /// Problem and remedy, in a sentence or two.
    pub(super) text: String,
}

/// The columns of `--cluster` as one factor.
pub(super) fn clusters(table: &Table, data: &Data) -> Result<Option<Factor>, anyhow::Error> {
    if data.cluster.0.is_empty() {
        return Ok(None);
    }
    let parts: Vec<Factor> =
        data.cluster.0.iter().map(|cluster| table.factor(cluster)).collect::<Result<_, _>>()?;
    let values = (0..table.len()).map(|row| {
        let levels = parts.iter().map(|part| part.levels[part.codes[row]].as_str());
        levels.collect::<Vec<_>>().join(" ")
    });
    Ok(Some(Factor::new(&data.cluster.0.join(", "), values)))
}

/// What was left out of the file, and where its joules come from.
pub(super) fn of_table(table: &Table, response: &str) -> Vec<Note> {
    let mut notes = Vec::new();
    if let Some(origin) = table.origin(response) {
        notes.push(Note {
            kind: "origin",
            text: format!("the joules of `{response}` are {origin}."),
        });
    }
    if table.empty_rows > 0 {
        let text = format!("{} empty rows of the file are ignored.", table.empty_rows);
        notes.push(Note { kind: "empty-rows", text });
    }
    if let Some((rows, columns)) = &table.incomplete {
        let (columns, all) = (quoted(columns), rows + table.len());
        let text = format!("{rows} of {all} rows have no value in {columns}; they are left out.");
        notes.push(Note { kind: "missing-values", text });
    }
    notes
}

/// Screens the data of an analysis.
pub(super) fn notes(
    table: &Table,
    data: &Data,
    response: &[f64],
    factors: &[Factor],
) -> Result<Vec<Note>, anyhow::Error> {
    let used = |name: &str| {
        name == data.response
            || factors.iter().any(|factor| factor.name == name)
            || data.order.as_deref() == Some(name)
            || data.beside.iter().any(|beside| beside == name)
    };
    let others: Vec<Factor> = match clusters(table, data)? {
        Some(clusters) => vec![clusters],
        None => {
            // A column with missing values cannot identify settings.
            let names = table.names().filter(|name| !used(name));
            names.filter_map(|name| table.factor(name).ok()).collect()
        }
    };
    let order = data.order.as_deref().map(|column| table.numbers(column)).transpose()?;
    let mut notes = of_table(table, &data.response);
    let found = stats::screen(response, factors, &others, order.as_deref())
        .map_err(|error| table.complaint(error, data, factors))?;
    notes.extend(found.iter().map(|caution| {
        let mut text = caution.to_string();
        if matches!(caution, Caution::Drift { .. }) && order.is_none() {
            text.push_str(
                " (The order is the order of the rows in the file; use `--order COL` for another.)",
            );
        }
        Note { kind: caution.kind(), text }
    }));
    Ok(notes)
}

/// Prints cautions under a table.
pub(super) fn print(notes: &[Note]) {
    for note in notes {
        output::print(&format!("caution ({}): {}", note.kind, note.text));
    }
}
