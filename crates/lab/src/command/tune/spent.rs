//! What a trial or a search costs.

use meter::SpanReport;
use tuner::Spent;

/// The cost of a measured span.
pub(super) fn spent(report: &SpanReport) -> Spent {
    Spent {
        seconds: report.duration.0,
        joules: report.total.map(|total| total.joules.0),
        uncertainty_j: report.total.map(|total| total.uncertainty.0),
        origin: report.total.map(|total| total.origin),
    }
}
