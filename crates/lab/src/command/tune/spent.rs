//! What a trial or a search costs.

use meter::SpanReport;
use record::{Domain, Energy};
use tuner::Spent;

/// The cost of a measured span.
pub(super) fn spent(report: &SpanReport) -> Spent {
    cost(report, report.total)
}

/// The cost of a span of one of several workers on a machine whose sensors see the work of all: this worker's
/// part of the processor's energy by its CPU time, which is an estimate. No energy if other parts of the machine
/// were measured, too, because those cannot be divided.
pub(super) fn spent_among_others(report: &SpanReport) -> Spent {
    let is_processor = |domain: Domain| {
        matches!(domain, Domain::CpuPackage | Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie)
    };
    let mut counted = report.domains.iter().filter(|domain| domain.in_total);
    let divisible = counted.all(|domain| is_processor(domain.domain));
    let part = report.attribution.filter(|_| divisible).map(|attribution| attribution.process);
    cost(report, part)
}

fn cost(report: &SpanReport, energy: Option<Energy>) -> Spent {
    Spent {
        seconds: report.duration.0,
        joules: energy.map(|energy| energy.joules.0),
        uncertainty_j: energy.map(|energy| energy.uncertainty.0),
        origin: energy.map(|energy| energy.origin),
    }
}
