//! What a table's cell can be.

use record::{Energy, Origin};

/// A number with how precisely to show it and, if known, its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    /// In the unit of its column; shown as missing if it is not finite.
    pub value: f64,
    /// 95 % interval, low then high, in the same unit.
    pub interval: Option<[f64; 2]>,
    /// Significant digits to show; the digits before the decimal point are always shown.
    pub digits: usize,
}

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count.
    Integer(i64),
    /// A quantity that is not an energy.
    Number(Number),
    /// An energy (or energy per something) with its origin, without which there is no such cell.
    Energy(Number, Origin),
    /// A p-value, shown as `< 0.001` below that.
    PValue(f64),
    /// Not observed, or not defined.
    Missing,
}

impl Cell {
    /// Words.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number with significant digits.
    #[must_use]
    pub fn number(value: f64, digits: usize) -> Self {
        Self::Number(Number { value, interval: None, digits })
    }

    /// A number with its 95 % interval, if there is one.
    #[must_use]
    pub fn interval(value: f64, interval: Option<[f64; 2]>, digits: usize) -> Self {
        Self::Number(Number { value, interval, digits })
    }

    /// An energy in the unit of its column, with its 95 % interval, if there is one.
    #[must_use]
    pub fn energy(value: f64, interval: Option<[f64; 2]>, digits: usize, origin: Origin) -> Self {
        Self::Energy(Number { value, interval, digits }, origin)
    }

    /// A recorded energy in joules, with its uncertainty as the interval.
    #[must_use]
    pub fn joules(energy: Energy, digits: usize) -> Self {
        let (value, half) = (energy.joules.0, energy.uncertainty.0);
        Self::energy(value, Some([value - half, value + half]), digits, energy.origin)
    }

    /// The cell of an optional value, [`Cell::Missing`] for `None`.
    #[must_use]
    pub fn or_missing(cell: Option<Self>) -> Self {
        cell.unwrap_or(Self::Missing)
    }
}
