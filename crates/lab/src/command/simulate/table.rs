//! The report of a simulation as text.

use inference_sim::SimulationReport;

/// The warning for an unstable queue.
pub(super) fn warning(report: &SimulationReport) -> Option<String> {
    if report.stable {
        return None;
    }
    let grows = report.growth.map_or_else(String::new, |growth| {
        format!(
            ", in this run by {:.4} requests per second, and the wait by {:.4} s per second",
            growth.requests_per_s, growth.wait_s_per_s
        )
    });
    Some(format!(
        "the queue is unstable: requests arrive {:.3} times as fast as they can be served, so the \
         queue grows without limit{grows}. It has no mean wait; lower `arrivals.rate`, raise \
         `batching.size` or `servers.count`, or set `queue.limit`",
        report.offered_load
    ))
}

/// A line for each number, with its interval if it has one.
pub(super) fn table(report: &SimulationReport, replications: bool) -> String {
    let ci = &report.ci95;
    let seconds = |time: Option<record::Seconds>| time.map(|time| time.0);
    let rows = [
        ("requests", Some(report.requests as f64), None, ""),
        ("mean wait", seconds(report.mean_wait), ci.mean_wait_s, "s"),
        ("mean response", seconds(report.mean_response), ci.mean_response_s, "s"),
        ("median response", seconds(report.p50_response), None, "s"),
        ("p90 response", seconds(report.p90_response), None, "s"),
        ("p95 response", seconds(report.p95_response), None, "s"),
        ("p99 response", seconds(report.p99_response), None, "s"),
        ("p99.9 response", seconds(report.p999_response), None, "s"),
        ("longest wait", Some(report.max_wait.0), None, "s"),
        ("utilization", Some(report.utilization), ci.utilisation, ""),
        ("mean batch", Some(report.mean_batch), ci.mean_batch, "requests"),
        ("throughput", Some(report.throughput), ci.throughput_rps, "requests/s"),
        ("duration", Some(report.duration.0), None, "s"),
        ("energy", report.energy.map(|energy| energy.0), None, "J"),
        (
            "energy per request",
            report.energy_per_request.map(|energy| energy.0),
            ci.energy_j_per_request,
            "J",
        ),
        ("offered load", Some(report.offered_load), None, ""),
    ];
    let line = |(name, value, interval, unit): (&str, Option<f64>, Option<[f64; 2]>, &str)| {
        let value = value.map_or_else(|| "none".to_owned(), number);
        let interval = interval.map_or_else(String::new, |[low, high]| {
            format!("  [{}, {}]", number(low), number(high))
        });
        format!("{name:<19}{value:>13} {unit:<10}{interval}").trim_end().to_owned()
    };
    let asked =
        report.asked.map(|share| ("asked of the large", Some(share), None, "of the images"));
    let lost = [
        ("rejected", report.rejected),
        ("dropped", report.dropped),
        ("abandoned", report.abandoned),
    ];
    let lost = lost
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name, Some(count as f64), None, "requests"));
    let mut lines: Vec<String> = rows.into_iter().chain(asked).chain(lost).map(line).collect();
    if ci.mean_wait_s.is_some() {
        let by = if replications { "over replications" } else { "by batch means over 20 blocks" };
        lines.push(format!("in brackets: 95 % confidence intervals, {by}"));
    }
    lines.join("\n")
}

/// Six significant digits; whole numbers without a fraction.
pub(super) fn number(value: f64) -> String {
    if !value.is_finite() || value.fract() == 0.0 {
        return format!("{value:.0}");
    }
    let digits = 5 - value.abs().log10().floor() as i32;
    format!("{value:.*}", usize::try_from(digits.clamp(0, 12)).unwrap_or(0))
}
