//! A study's progress as metrics for Prometheus and OpenTelemetry.

use std::{fmt::Write, time::Duration};

use serde_json::{Value, json};

use super::status::{ExperimentStatus, StudyStatus};

/// How long to wait for a collector that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One metric.
struct Metric {
    name: &'static str,
    unit: &'static str,
    help: &'static str,
    /// Whether it is a counter, which never decreases, or else a gauge.
    counter: bool,
    /// Labels and value of each point.
    points: Vec<(Vec<(&'static str, String)>, f64)>,
}

fn metrics(status: &StudyStatus) -> Vec<Metric> {
    let rows = &status.experiments;
    let each = |of: &dyn Fn(&ExperimentStatus) -> Option<f64>| {
        let label = |row: &ExperimentStatus| {
            let word = serde_json::to_value(row.experiment).unwrap_or_default();
            ("experiment", word.as_str().unwrap_or_default().to_owned())
        };
        rows.iter().filter_map(|row| Some((vec![label(row)], of(row)?))).collect::<Vec<_>>()
    };
    let one = |value: f64| vec![(Vec::new(), value)];
    let joules = rows.iter().filter_map(|row| {
        let energy = row.joules?;
        let word = serde_json::to_value(row.experiment).unwrap_or_default();
        let experiment = ("experiment", word.as_str().unwrap_or_default().to_owned());
        let origin = ("origin", energy.origin.word().to_owned());
        Some((vec![experiment, origin], energy.joules.0))
    });
    let gauge = |name, unit, help, points| Metric { name, unit, help, counter: false, points };
    let counter = |name, unit, help, points| Metric { name, unit, help, counter: true, points };
    let standing = status.standing;
    vec![
        gauge("wattlab_study_runs", "", "Runs of the study.", each(&|row| Some(row.total? as f64))),
        counter(
            "wattlab_study_runs_done",
            "",
            "Runs in the journal.",
            each(&|row| Some(row.done as f64)),
        ),
        gauge("wattlab_study_runs_running", "", "Runs in progress.", one(standing.running as f64)),
        gauge(
            "wattlab_study_runs_queued",
            "",
            "Runs that wait for a worker.",
            one(standing.queued as f64),
        ),
        counter(
            "wattlab_study_runs_lost",
            "",
            "Runs that lost their worker and were restarted.",
            one(standing.lost as f64),
        ),
        counter(
            "wattlab_study_energy_joules",
            "joules",
            "Energy of the main spans so far.",
            joules.collect(),
        ),
        gauge(
            "wattlab_study_left_seconds",
            "seconds",
            "Expected time until the end.",
            status.left_s.map_or_else(Vec::new, one),
        ),
        gauge(
            "wattlab_study_up",
            "",
            "Whether a process works on the study.",
            one(f64::from(u8::from(status.state.is_active()))),
        ),
    ]
}

/// The metrics in the OpenMetrics 1.0.0 format, for a textfile collector or a scrape.
pub(super) fn open_metrics(status: &StudyStatus) -> String {
    let mut text = String::new();
    for metric in metrics(status) {
        let Metric { name, unit, help, counter, points } = metric;
        let kind = if counter { "counter" } else { "gauge" };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {name} {unit}");
        }
        let _ = writeln!(text, "# HELP {name} {help}");
        let end = if counter { "_total" } else { "" };
        for (labels, value) in points {
            let labels: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{value}\"")).collect();
            let labels =
                if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(text, "{name}{end}{labels} {value}");
        }
    }
    text.push_str("# EOF\n");
    text
}

/// Sends the metrics to an OpenTelemetry collector: `POST /v1/metrics`, JSON.
pub(super) fn send(url: &str, status: &StudyStatus) -> Result<(), ureq::Error> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let request = agent.post(url).header("Content-Type", "application/json");
    request.send(&otlp(status).to_string()).map(drop)
}

/// The body of a request (opentelemetry-proto 1.x, JSON encoding).
fn otlp(status: &StudyStatus) -> Value {
    let nanoseconds = |unix_s: f64| format!("{:.0}", unix_s * 1e9);
    let metrics: Vec<Value> = metrics(status)
        .into_iter()
        .map(|metric| {
            let points: Vec<Value> = metric
                .points
                .iter()
                .map(|(labels, value)| {
                    let attributes: Vec<Value> = labels
                        .iter()
                        .map(
                            |(key, value)| json!({ "key": key, "value": { "stringValue": value } }),
                        )
                        .collect();
                    json!({
                        "attributes": attributes,
                        "startTimeUnixNano": nanoseconds(status.started_unix_s),
                        "timeUnixNano": nanoseconds(status.updated_unix_s),
                        "asDouble": value,
                    })
                })
                .collect();
            let data = if metric.counter {
                // AGGREGATION_TEMPORALITY_CUMULATIVE
                json!({ "dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true })
            } else {
                json!({ "dataPoints": points })
            };
            let kind = if metric.counter { "sum" } else { "gauge" };
            let unit = match metric.unit {
                "joules" => "J",
                "seconds" => "s",
                _ => "1",
            };
            let mut body = json!({ "name": metric.name.replace('_', "."), "unit": unit });
            body[kind] = data;
            body
        })
        .collect();
    json!({
        "resourceMetrics": [{
            "resource": {
                "attributes": [{ "key": "service.name", "value": { "stringValue": "wattlab" } }],
            },
            "scopeMetrics": [{
                "scope": { "name": "wattlab-study", "version": env!("CARGO_PKG_VERSION") },
                "metrics": metrics,
            }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use record::{Energy, Experiment, Joules, Origin};

    use super::*;
    use crate::executor::RunCounts;

    fn status() -> StudyStatus {
        let joules =
            Energy { joules: Joules(12.5), uncertainty: Joules(1.0), origin: Origin::Estimated };
        StudyStatus {
            experiments: vec![ExperimentStatus {
                experiment: Experiment::Tuning,
                total: Some(8),
                done: 3,
                joules: Some(joules),
            }],
            standing: RunCounts { queued: 2, running: 1, lost: 4 },
            left_s: Some(30.0),
            ..StudyStatus::of("quick", "local")
        }
    }

    #[test]
    fn the_metrics_in_the_openmetrics_format() {
        insta::assert_snapshot!(open_metrics(&status()), @r#"
        # TYPE wattlab_study_runs gauge
        # HELP wattlab_study_runs Runs of the study.
        wattlab_study_runs{experiment="tuning"} 8
        # TYPE wattlab_study_runs_done counter
        # HELP wattlab_study_runs_done Runs in the journal.
        wattlab_study_runs_done_total{experiment="tuning"} 3
        # TYPE wattlab_study_runs_running gauge
        # HELP wattlab_study_runs_running Runs in progress.
        wattlab_study_runs_running 1
        # TYPE wattlab_study_runs_queued gauge
        # HELP wattlab_study_runs_queued Runs that wait for a worker.
        wattlab_study_runs_queued 2
        # TYPE wattlab_study_runs_lost counter
        # HELP wattlab_study_runs_lost Runs that lost their worker and were restarted.
        wattlab_study_runs_lost_total 4
        # TYPE wattlab_study_energy_joules counter
        # UNIT wattlab_study_energy_joules joules
        # HELP wattlab_study_energy_joules Energy of the main spans so far.
        wattlab_study_energy_joules_total{experiment="tuning",origin="estimated"} 12.5
        # TYPE wattlab_study_left_seconds gauge
        # UNIT wattlab_study_left_seconds seconds
        # HELP wattlab_study_left_seconds Expected time until the end.
        wattlab_study_left_seconds 30
        # TYPE wattlab_study_up gauge
        # HELP wattlab_study_up Whether a process works on the study.
        wattlab_study_up 1
        # EOF
        "#);
    }

    #[test]
    fn the_metrics_as_an_otlp_request() {
        let body = otlp(&status());
        let metrics = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
        let energy = metrics.as_array().unwrap().iter();
        let energy =
            energy.clone().find(|metric| metric["name"] == "wattlab.study.energy.joules").unwrap();
        assert_eq!((&energy["unit"], &energy["sum"]["isMonotonic"]), (&json!("J"), &json!(true)));
        let point = &energy["sum"]["dataPoints"][0];
        assert_eq!(point["asDouble"], 12.5);
        assert_eq!(point["attributes"][1]["value"]["stringValue"], "estimated");
    }
}
