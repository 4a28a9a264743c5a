//! Units of single figures, and how a value is written with its unit.

use crate::number::{p_value, significant, with_interval};

/// Unit of a figure in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unit {
    /// A plain number, such as η² or a ratio.
    None,
    /// A share as a fraction of 1; shown in percent.
    Share,
    /// A share per year as a fraction of 1; shown in percent per year.
    SharePerYear,
    /// A difference of shares as a fraction of 1; shown in percentage points.
    ShareDifference,
    /// Percentage points.
    Points,
    /// Percentage points per year.
    PointsPerYear,
    /// Joules.
    Joules,
    /// A p-value in [0, 1]; small ones are shown as `< 0.001`.
    PValue,
}

impl Unit {
    /// The unit of the stored value, in words; empty for a plain number.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None | Self::PValue => "",
            Self::Share | Self::ShareDifference => "share",
            Self::SharePerYear => "share per year",
            Self::Points => "points",
            Self::PointsPerYear => "points per year",
            Self::Joules => "joules",
        }
    }

    /// What a stored value is multiplied with, and what follows it.
    fn shown(self) -> (f64, &'static str) {
        match self {
            Self::None | Self::PValue => (1.0, ""),
            Self::Share => (100.0, "\u{202f}%"),
            Self::SharePerYear => (100.0, "\u{202f}% per year"),
            Self::ShareDifference => (100.0, " points"),
            Self::Points => (1.0, " points"),
            Self::PointsPerYear => (1.0, " points per year"),
            Self::Joules => (1.0, "\u{a0}J"),
        }
    }

    /// A value with significant digits and its unit.
    pub(crate) fn show(self, value: f64, digits: usize) -> String {
        match self {
            Self::PValue => p_value(value),
            _ if !value.is_finite() => "–".to_owned(),
            _ => {
                let (factor, symbol) = self.shown();
                significant(value * factor, digits) + symbol
            }
        }
    }

    /// A value with its interval, three significant digits and its unit.
    pub(crate) fn show_interval(self, value: f64, interval: Option<[f64; 2]>) -> String {
        let (factor, symbol) = self.shown();
        let interval = interval.map(|ends| ends.map(|end| end * factor));
        with_interval(value * factor, interval, 3) + symbol
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_in_the_unit_of_readers() {
        let rows = [
            (Unit::Share, 0.399, "39.9\u{202f}%"),
            (Unit::SharePerYear, -0.05, "\u{2212}5.00\u{202f}% per year"),
            (Unit::ShareDifference, 0.022, "2.20 points"),
            (Unit::Points, 0.75, "0.750 points"),
            (Unit::None, 0.9898, "0.990"),
            (Unit::Joules, 857.0, "857\u{a0}J"),
            (Unit::PValue, 1e-34, "< 0.001"),
            (Unit::PValue, f64::NAN, "–"),
            (Unit::Share, f64::NAN, "–"),
        ];
        for (unit, value, shown) in rows {
            assert_eq!(unit.show(value, 3), shown, "{unit:?}");
        }
        assert_eq!(
            Unit::Share.show_interval(0.5, Some([0.4, 0.6])),
            "50.0 [40.0 to 60.0]\u{202f}%"
        );
    }
}
