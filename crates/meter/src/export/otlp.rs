//! OpenTelemetry metrics: the body of an OTLP/HTTP request in JSON.

use serde_json::{Value, json};

use crate::shared::Reading;

/// The body of `POST /v1/metrics` (opentelemetry-proto 1.x, JSON encoding), with cumulative joules as a
/// monotonic sum and power as a gauge. Times are nanoseconds since 1970.
/// The attribute `in_total` says which series add up to a total, as the label of
/// [`openmetrics`](super::openmetrics::text) does.
#[must_use]
pub fn metrics(readings: &[Reading], start_ns: u64, now_ns: u64) -> Value {
    let point = |reading: &Reading, value: f64| {
        let channel = &reading.channel;
        let attribute =
            |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        json!({
            "attributes": [
                attribute("probe", &channel.probe),
                attribute("domain", channel.domain.word()),
                attribute("device", &channel.device),
                attribute("origin", channel.method.origin().word()),
                attribute("method", channel.method.word()),
                { "key": "in_total", "value": { "boolValue": reading.in_total } },
            ],
            "startTimeUnixNano": start_ns.to_string(),
            "timeUnixNano": now_ns.to_string(),
            "asDouble": value,
        })
    };
    let energies: Vec<Value> =
        readings.iter().map(|reading| point(reading, reading.joules.0)).collect();
    let powers: Vec<Value> =
        readings.iter().filter_map(|reading| Some(point(reading, reading.watts?.0))).collect();
    json!({
        "resourceMetrics": [{
            "resource": {
                "attributes": [{ "key": "service.name", "value": { "stringValue": "wattlab" } }],
            },
            "scopeMetrics": [{
                "scope": { "name": "wattlab-meter", "version": env!("CARGO_PKG_VERSION") },
                "metrics": [
                    {
                        "name": "wattlab.energy",
                        "unit": "J",
                        // AGGREGATION_TEMPORALITY_CUMULATIVE
                        "sum": { "dataPoints": energies, "aggregationTemporality": 2, "isMonotonic": true },
                    },
                    { "name": "wattlab.power", "unit": "W", "gauge": { "dataPoints": powers } },
                ],
            }],
        }],
    })
}
