//! What a reader should know, beside the numbers.

use report::stats::{self, Caution, Factor};
use serde::Serialize;

use super::{Data, Table};
use crate::output;

/// A caution as JSON has it.
#[derive(Debug, Serialize)]
pub(super) struct Note {
    /// The kind in a word.
    pub(super) kind: &'static str,
    /// In a sentence or two.
    pub(super) text: String,
}

/// The columns of `--cluster` as one factor.
pub(super) fn clusters(table: &Table, data: &Data) -> Result<Option<Factor>, anyhow::Error> {
    if data.cluster.0.is_empty() {
        return Ok(None);
    }
    let parts: Vec<Factor> =
        data.cluster.0.iter().map(|it| table.factor(it)).collect::<Result<_, _>>()?;
    let values = (0..table.len()).map(|row| {
        let levels = parts.iter().map(|it| it.levels[it.codes[row]].as_str());
        levels.collect::<Vec<_>>().join(" ")
    });
    Ok(Some(Factor::new(&data.cluster.0.join(", "), values)))
}

/// Screens the data behind an analysis.
pub(super) fn notes(
    table: &Table,
    data: &Data,
    response: &[f64],
    factors: &[Factor],
) -> Result<Vec<Note>, anyhow::Error> {
    let used = |name: &str| {
        name == data.response
            || factors.iter().any(|it| it.name == name)
            || data.order.as_deref() == Some(name)
    };
    let others: Vec<Factor> = match clusters(table, data)? {
        Some(clusters) => vec![clusters],
        None => {
            // A column with gaps or without repeats names no settings.
            let names = table.names().filter(|it| !used(it));
            names.filter_map(|it| table.factor(it).ok()).collect()
        }
    };
    let order = data.order.as_deref().map(|it| table.numbers(it)).transpose()?;
    let mut notes = Vec::new();
    if table.empty_rows > 0 {
        let text = format!("{} empty rows of the file are left out.", table.empty_rows);
        notes.push(Note { kind: "empty-rows", text });
    }
    let found = stats::screen(response, factors, &others, order.as_deref())
        .map_err(|it| table.complaint(it, data, factors))?;
    notes.extend(found.iter().map(|it| {
        let mut text = it.to_string();
        if matches!(it, Caution::Drift { .. }) && order.is_none() {
            text.push_str(
                " (The order is that of the rows in the file; `--order COL` gives another.)",
            );
        }
        Note { kind: it.kind(), text }
    }));
    Ok(notes)
}

/// Prints them under a table.
pub(super) fn print(notes: &[Note]) {
    for note in notes {
        output::print(&format!("caution ({}): {}", note.kind, note.text));
    }
}
