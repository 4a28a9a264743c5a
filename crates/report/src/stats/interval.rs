//! Confidence intervals.

/// A confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower limit.
    pub low: f64,
    /// Upper limit.
    pub high: f64,
    /// Share of such intervals that cover the true value, in (0, 1).
    pub confidence: f64,
}

impl Interval {
    /// `center ± margin`.
    pub(super) fn around(center: f64, margin: f64, confidence: f64) -> Self {
        Self { low: center - margin, high: center + margin, confidence }
    }

    /// Whether the interval contains a value, limits included.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}
