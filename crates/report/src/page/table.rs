//! Tables that a reader can sort.

use maud::{Markup, html};

use super::{badge, prose};
use crate::{
    document::{Cell, Column, ColumnKind, Table, slug},
    export::cell_text,
};

pub(super) fn table(table: &Table) -> Markup {
    let id = format!("table-{}", slug(&table.id));
    html! {
        p class="caption" id={ (id) "-caption" } { (prose(&table.caption)) }
        div class="scroll" tabindex="0" role="region" aria-labelledby={ (id) "-caption" } {
            table class="data" id=(id) aria-labelledby={ (id) "-caption" } {
                thead { tr {
                    @for it in table.columns() {
                        th scope="col" class=[class(it)] {
                            (it.name)
                            @if !it.unit.is_empty() { " " span class="unit" { "(" (it.unit) ")" } }
                        }
                    }
                } }
                tbody {
                    @for row in table.rows() {
                        tr { @for (column, it) in table.columns().iter().zip(row) { (cell(column, it)) } }
                    }
                }
            }
        }
    }
}

/// A cell; where its text does not sort as its value does, the value is beside it.
fn cell(column: &Column, cell: &Cell) -> Markup {
    let (text, origin) = cell_text(cell);
    let key = match cell {
        Cell::Number(it) | Cell::Energy(it, _) => Some(it.value),
        Cell::PValue(p) => Some(*p),
        Cell::Integer(count) => Some(*count as f64),
        Cell::Text(_) | Cell::Missing => None,
    };
    let key = key.filter(|it| it.is_finite());
    // An interval is quieter than its value.
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
