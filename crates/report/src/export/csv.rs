//! A table for other programs: full precision, units in the names, origins in a column.

use ::csv::{Terminator, WriterBuilder};

use crate::document::{Cell, Column, ColumnKind, Number, Table};

/// Writes a table as CSV after RFC 4180, in UTF-8.
///
/// A column `energy` in joules becomes `energy_j`; if any of its cells has an interval,
/// `energy_j_low` and `energy_j_high` follow; `energy_origin` follows an energy. A missing value
/// is an empty field.
#[must_use]
pub fn csv(table: &Table) -> String {
    let spans: Vec<Span<'_>> = table
        .columns()
        .iter()
        .enumerate()
        .map(|(index, column)| Span {
            column,
            intervals: table.rows().iter().any(|row| number(&row[index]).0.interval.is_some()),
        })
        .collect();
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    let heads: Vec<String> = spans.iter().flat_map(Span::heads).collect();
    let rows = table.rows().iter().map(|row| {
        spans.iter().zip(row).flat_map(|(span, cell)| span.fields(cell)).collect::<Vec<_>>()
    });
    for record in std::iter::once(heads).chain(rows) {
        writer.write_record(record).expect("memory takes records of equal length");
    }
    let bytes = writer.into_inner().expect("memory can be flushed");
    String::from_utf8(bytes).expect("fields are text")
}

/// The fields that one column of the table becomes.
struct Span<'a> {
    column: &'a Column,
    intervals: bool,
}

impl Span<'_> {
    fn heads(&self) -> Vec<String> {
        let name = snake(&self.column.name);
        let unit = snake(&self.column.unit);
        let full = if unit.is_empty() || name.ends_with(&format!("_{unit}")) {
            name.clone()
        } else {
            format!("{name}_{unit}")
        };
        let mut heads = vec![full.clone()];
        if self.intervals {
            heads.extend([format!("{full}_low"), format!("{full}_high")]);
        }
        if self.column.kind == ColumnKind::Energy {
            heads.push(format!("{name}_origin"));
        }
        heads
    }

    fn fields(&self, cell: &Cell) -> Vec<String> {
        let (Number { value, interval, .. }, origin) = number(cell);
        let finite = |value: f64| if value.is_finite() { value.to_string() } else { String::new() };
        let mut fields = vec![match cell {
            Cell::Text(text) => units::spreadsheet_text(text).into_owned(),
            Cell::Integer(count) => count.to_string(),
            _ => finite(value),
        }];
        if self.intervals {
            fields.extend(interval.unwrap_or([f64::NAN; 2]).map(finite));
        }
        if self.column.kind == ColumnKind::Energy {
            fields.push(origin.to_owned());
        }
        fields
    }
}

/// The number in a cell, not finite if there is none, and the word for its origin.
fn number(cell: &Cell) -> (Number, &'static str) {
    let none = Number { value: f64::NAN, interval: None, digits: 0 };
    match cell {
        Cell::Number(number) => (*number, ""),
        Cell::Energy(number, origin) => (*number, origin.word()),
        Cell::PValue(p) => (Number { value: *p, ..none }, ""),
        Cell::Text(_) | Cell::Integer(_) | Cell::Missing => (none, ""),
    }
}

/// `J/request` as `j_per_request`, `Mean response` as `mean_response`.
fn snake(name: &str) -> String {
    let spelled = name.replace('%', " percent ").replace('/', " per ");
    let words: Vec<String> = spelled
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("_")
}
