//! A table's cell as text.

use record::Origin;

use super::{Cell, Number, origin_mark};
use crate::number::{grouped, p_value, with_interval};

/// A cell as readers see it, and the origin to mark it with if it is an energy.
pub(crate) fn cell_text(cell: &Cell) -> (String, Option<Origin>) {
    let text = |number: &Number| {
        if number.value.is_finite() {
            with_interval(number.value, number.interval, number.digits)
        } else {
            "–".to_owned()
        }
    };
    match cell {
        Cell::Text(text) => (text.clone(), None),
        Cell::Integer(count) => (grouped(*count), None),
        Cell::Number(number) => (text(number), None),
        Cell::Energy(number, origin) => (text(number), Some(*origin)),
        Cell::PValue(p) => (p_value(*p), None),
        Cell::Missing => ("–".to_owned(), None),
    }
}

/// A cell in plain text: `1,674 [1,650 to 1,690] (est.)`.
pub(crate) fn plain_text(cell: &Cell) -> String {
    match cell_text(cell) {
        (text, None) => text,
        (text, Some(origin)) => format!("{text} ({})", origin_mark(origin)),
    }
}
