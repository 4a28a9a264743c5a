//! Tables that a reader can sort.

use maud::{Markup, html};

use super::markup::{badge, prose};
use crate::{
    document::{Cell, Column, ColumnKind, Table, cell_text},
    slug::slug,
};

pub(super) fn table(table: &Table) -> Markup {
    let id = format!("table-{}", slug(&table.id));
    html! {
        p class="caption" id={ (id) "-caption" } { (prose(&table.caption)) }
        div class="scroll" tabindex="0" role="region" aria-labelledby={ (id) "-caption" } {
            table class="data" id=(id) aria-labelledby={ (id) "-caption" } {
                thead { tr {
                    @for column in table.columns() {
                        th scope="col" class=[class(column)] {
                            (column.name)
                            @if !column.unit.is_empty() { " " span class="unit" { "(" (column.unit) ")" } }
                        }
                    }
                } }
                tbody {
                    @for row in table.rows() {
                        tr { @for (column, each) in table.columns().iter().zip(row) { (cell(column, each)) } }
                    }
                }
            }
        }
    }
}

/// A cell, with its value as a sort key if it is a number.
fn cell(column: &Column, cell: &Cell) -> Markup {
    let (text, origin) = cell_text(cell);
    let key = match cell {
        Cell::Number(it) | Cell::Energy(it, _) => Some(it.value),
        Cell::PValue(p) => Some(*p),
        Cell::Integer(count) => Some(*count as f64),
        Cell::Text(_) | Cell::Missing => None,
    };
    let key = key.filter(|key| key.is_finite());
    // The interval is styled lighter than its value.
    let (value, interval) = match text.split_once(" [") {
        Some((value, interval)) if key.is_some() => (value, Some(format!("[{interval}"))),
        _ => (text.as_str(), None),
    };
    html! {
        td class=[class(column)] data-key=[key] {
            @if interval.is_some() { span class="value" { (value) } } @else { (value) }
            @if let Some(interval) = interval { " " span class="interval" { (interval) } }
            @if let Some(origin) = origin { " " (badge(origin)) }
        }
    }
}

fn class(column: &Column) -> Option<&'static str> {
    (column.kind != ColumnKind::Text).then_some("number")
}
