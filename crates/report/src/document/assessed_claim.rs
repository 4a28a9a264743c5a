//! A claim with its verdict, as a document shows it.

use record::{Evidence, Finding};

use super::Unit;
use crate::number::{grouped, p_value, significant};

/// A finding with typed figures: every number has a name and a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct AssessedClaim {
    /// Statement, verdict, reason and evidence.
    pub finding: Finding,
    /// Published and measured figures, in the order shown.
    pub figures: Vec<KeyFigure>,
    /// The effect that the verdict rests on; `None` if it could not be estimated.
    pub effect: Option<ClaimEffect>,
}

/// A figure of a claim: the published value beside ours.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyFigure {
    /// Name for readers, without the unit.
    pub label: String,
    /// Unit of both values.
    pub unit: Unit,
    /// As published; `None` if only we measure it.
    pub published: Option<f64>,
    /// As we measured it; `None` if we could not.
    pub measured: Option<f64>,
}

/// The size of an effect with its 95 % interval.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimEffect {
    /// What the effect is, without the unit.
    pub label: String,
    /// Unit of the value and of the interval.
    pub unit: Unit,
    /// Best estimate.
    pub value: f64,
    /// 95 % interval, low then high; `None` if there are too few data.
    pub interval: Option<[f64; 2]>,
}

impl KeyFigure {
    /// The published value with as many digits as were published, three at most.
    pub(crate) fn published_text(&self) -> Option<String> {
        self.published.map(|value| self.unit.show(value, digits_of(value)))
    }

    /// Our value with three digits, or a dash.
    pub(crate) fn measured_text(&self) -> String {
        self.unit.show(self.measured.unwrap_or(f64::NAN), 3)
    }
}

impl ClaimEffect {
    /// Size and interval: `39.9 [35.0 to 44.1] %`.
    pub(crate) fn text(&self) -> String {
        self.unit.show_interval(self.value, self.interval)
    }
}

/// Significant digits of a value as it is written, three at most: 0.0055 was not published as
/// 0.00550.
fn digits_of(value: f64) -> usize {
    let written = format!("{value:e}");
    (1..3).find(|digits| format!("{value:.*e}", digits - 1) == written).unwrap_or(3)
}

/// The test with its statistic, p-value and number of observations.
pub(crate) fn test_in_words(evidence: &Evidence) -> String {
    let mut words = evidence.test.clone();
    if let Some(statistic) = evidence.statistic.filter(|value| value.is_finite()) {
        words.push_str(&format!("; statistic {}", significant(statistic, 3)));
    }
    if let Some(p) = evidence.p.filter(|value| value.is_finite()) {
        let p = p_value(p);
        let relation = if p.starts_with(['<', '>']) { "" } else { "= " };
        words.push_str(&format!("; p {relation}{p}"));
    }
    format!("{words}; n = {}", grouped(i64::try_from(evidence.n).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_figure_gains_no_digits() {
        let shown = |unit, value| {
            let figure =
                KeyFigure { label: String::new(), unit, published: Some(value), measured: None };
            figure.published_text().unwrap()
        };
        assert_eq!(shown(Unit::None, 0.0055), "0.0055");
        assert_eq!(shown(Unit::Share, 0.4882), "48.8\u{202f}%");
        assert_eq!(shown(Unit::Points, 6.0), "6 points");
    }

    #[test]
    fn a_figure_that_was_not_measured_is_a_dash() {
        let figure =
            KeyFigure { label: "p".into(), unit: Unit::PValue, published: None, measured: None };
        assert_eq!((figure.published_text(), figure.measured_text()), (None, "–".to_owned()));
    }
}
