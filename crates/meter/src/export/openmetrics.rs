//! OpenMetrics 1.0.0, which Prometheus reads.

use std::fmt::Write;

use units::Seconds;

use crate::shared::Reading;

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The energy since the meter started and the recent power of each channel, and the CPU time of the
/// meter itself.
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
    let energies: Vec<String> = readings
        .iter()
        .map(|reading| {
            format!("wattlab_energy_joules_total{} {}", labels(reading), reading.joules.0)
        })
        .collect();
    family(
        "wattlab_energy_joules",
        "counter",
        "joules",
        "Energy since the meter started.",
        &energies,
    );
    let powers: Vec<String> = readings
        .iter()
        .filter_map(|reading| {
            Some(format!("wattlab_power_watts{} {}", labels(reading), reading.watts?.0))
        })
        .collect();
    family("wattlab_power_watts", "gauge", "watts", "Recent power.", &powers);
    let own = [format!("wattlab_meter_cpu_seconds_total {}", own_cpu.0)];
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

fn labels(reading: &Reading) -> String {
    let channel = &reading.channel;
    format!(
        "{{probe=\"{}\",domain=\"{}\",device=\"{}\",origin=\"{}\",method=\"{}\"}}",
        escaped(&channel.probe),
        channel.domain.word(),
        escaped(&channel.device),
        channel.method.origin().word(),
        channel.method.word(),
    )
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
