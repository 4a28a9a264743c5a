//! OpenMetrics 1.0.0, which Prometheus reads.

use std::{collections::HashMap, fmt::Write};

use units::Seconds;

use crate::shared::Reading;

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The energy since the meter started and the recent power of each channel, and the CPU time of the
/// meter itself.
///
/// The label `in_total` says which series add up: the sum over `in_total="true"` counts nothing twice,
/// and the others overlap with those. A channel whose power is not known any more has no series of
/// power.
#[must_use]
pub fn text(readings: &[Reading], own_cpu: Seconds) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, unit: &str, help: &str, samples: &[String]| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}\n# UNIT {name} {unit}\n# HELP {name} {help}");
        for sample in samples {
            let _ = writeln!(text, "{sample}");
        }
    };
    let labels = labels(readings);
    let energies: Vec<String> = readings
        .iter()
        .zip(&labels)
        .map(|(reading, labels)| {
            format!("wattlab_energy_joules_total{labels} {}", number(reading.joules.0))
        })
        .collect();
    family(
        "wattlab_energy_joules",
        "counter",
        "joules",
        "Energy since the meter started. Sum over in_total=\"true\" only.",
        &energies,
    );
    let powers: Vec<String> = readings
        .iter()
        .zip(&labels)
        .filter_map(|(reading, labels)| {
            Some(format!("wattlab_power_watts{labels} {}", number(reading.watts?.0)))
        })
        .collect();
    family(
        "wattlab_power_watts",
        "gauge",
        "watts",
        "Recent power. Sum over in_total=\"true\" only.",
        &powers,
    );
    let own = [format!("wattlab_meter_cpu_seconds_total {}", number(own_cpu.0))];
    family(
        "wattlab_meter_cpu_seconds",
        "counter",
        "seconds",
        "CPU time of the meter itself.",
        &own,
    );
    text.push_str("# EOF\n");
    text
}

/// The labels of each series. Two channels that have all of them in common are told apart by a number,
/// because a scraper refuses a document in which a series occurs twice.
fn labels(readings: &[Reading]) -> Vec<String> {
    let mut seen: HashMap<String, u32> = HashMap::new();
    let label = |reading: &Reading| {
        let channel = &reading.channel;
        let labels = format!(
            "probe=\"{}\",domain=\"{}\",device=\"{}\",origin=\"{}\",method=\"{}\",in_total=\"{}\"",
            escaped(&channel.probe),
            channel.domain.word(),
            escaped(&channel.device),
            channel.method.origin().word(),
            channel.method.word(),
            reading.in_total,
        );
        let copies = seen.entry(labels.clone()).or_default();
        *copies += 1;
        match *copies {
            1 => format!("{{{labels}}}"),
            copy => format!("{{{labels},copy=\"{copy}\"}}"),
        }
    };
    readings.iter().map(label).collect()
}

/// A number as the format writes it.
fn number(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else if value == f64::NEG_INFINITY {
        "-Inf".to_owned()
    } else {
        value.to_string()
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use units::{Domain, Joules, Method};

    use super::*;
    use crate::source::{Channel, Kind};

    #[test]
    fn no_series_occurs_twice_and_every_number_is_one_of_the_format() {
        let power = |device: &str, watts: f64| Reading {
            channel: Channel::new(
                "t",
                Domain::Gpu,
                device,
                Kind::Power,
                Method::IntegratedPower,
                1.0,
            ),
            at: Seconds(1.0),
            joules: Joules(watts),
            watts: Some(units::Watts(watts)),
            in_total: true,
            learnt_period: None,
        };
        let readings = [
            power("a\"\\\nb", 1.5),
            power("g", f64::INFINITY),
            power("g", f64::NAN),
            power("g", 1.0),
        ];
        let text = text(&readings, Seconds(0.0));
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let names: Vec<&str> =
            samples.iter().map(|line| line.rsplit_once(' ').unwrap().0).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{text}");
        assert!(text.contains(r#"device="a\"\\\nb","#), "{text}");
        assert!(text.contains(r#"in_total="true",copy="2"} NaN"#), "{text}");
        assert!(text.contains(r#"in_total="true"} +Inf"#), "{text}");
    }
}
