//! Reports of spans as JSON.

use std::collections::BTreeMap;

use meter::{Domain, Energy, SpanReport};
use serde_json::{Value, json};

/// Energy in total and by domain, of the devices that are part of the total; of a domain without such a
/// device, of all its devices.
pub(crate) fn by_domain(report: &SpanReport) -> BTreeMap<&'static str, Energy> {
    let mut domains: BTreeMap<Domain, Vec<_>> = BTreeMap::new();
    for found in &report.domains {
        domains.entry(found.domain).or_default().push(found);
    }
    let energy = |(domain, devices): (Domain, Vec<&meter::DomainEnergy>)| {
        let has_counted = devices.iter().any(|device| device.in_total);
        let devices = devices.iter().filter(|device| device.in_total || !has_counted);
        Some((domain.word(), Energy::total(devices.map(|device| device.energy()))?))
    };
    domains.into_iter().filter_map(energy).collect()
}

/// A span that has ended.
pub(crate) struct Ended {
    pub(crate) report: SpanReport,
    /// The exception that ended it, as `ValueError: text`.
    pub(crate) error: Option<String>,
    /// The thread that began it.
    pub(crate) thread: String,
}

/// Everything that is known about a span: seconds, joules and texts.
pub(crate) fn span_json(ended: &Ended) -> Value {
    let Ended { report, error, thread } = ended;
    let total = report.total;
    let absent = report.absent.iter().map(|absent| {
        json!({
            "domain": absent.domain.word(), "device": absent.device, "probe": absent.probe,
            "reason": absent.reason,
        })
    });
    let attribution = report.attribution.as_ref().map(|parts| {
        let joules = |energy: Energy| energy.joules.0;
        json!({
            "measured_j": joules(parts.measured), "process_j": joules(parts.process),
            "process_uncertainty_j": parts.process.uncertainty.0,
            "idle_j": parts.idle.map(joules), "others_j": joules(parts.others),
            "origin": parts.process.origin.word(),
        })
    });
    json!({
        "name": report.name,
        "start_s": report.start.0,
        "duration_s": report.duration.0,
        "joules": total.map(|total| total.joules.0),
        "uncertainty_j": total.map(|total| total.uncertainty.0),
        "origin": total.map(|total| total.origin.word()),
        "domains": report.domains,
        "absent": absent.collect::<Vec<_>>(),
        "attribution": attribution,
        "cpu_s": report.cpu.0,
        "meter_cpu_s": report.own_cpu.0,
        "warnings": report.warnings.iter().map(|warning| &warning.text).collect::<Vec<_>>(),
        "thread": thread,
        "error": error,
    })
}
