//! What a study took.

use meter::SpanReport;
use record::Origin;
use serde::{Deserialize, Serialize};

/// What a trial, or the search for its parameters, took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq)]
pub(super) struct Spent {
    pub(super) seconds: f64,
    /// Of this process and its children; none where nothing could be read.
    pub(super) joules: Option<f64>,
    /// Half-width of their 95 % interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) uncertainty_j: Option<f64>,
    /// Whether a sensor read them or a model made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) origin: Option<Origin>,
}

impl Spent {
    pub(super) fn of(report: &SpanReport) -> Self {
        let joules = report.total.map(|it| it.joules.0);
        let origin = report.total.map(|it| it.origin);
        let uncertainty_j = report.total.map(|it| it.uncertainty.0);
        Self { seconds: report.duration.0, joules, uncertainty_j, origin }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        // One model's error, or one sensor's: it does not average out.
        let uncertainty_j = sum(self.uncertainty_j, other.uncertainty_j);
        let joules = sum(self.joules, other.joules);
        let origin = match (self.origin, other.origin) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (a, b) => a.or(b),
        };
        Self { seconds: self.seconds + other.seconds, joules, uncertainty_j, origin }
    }
}
