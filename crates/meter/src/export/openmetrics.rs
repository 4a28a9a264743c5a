//! OpenMetrics 1.0.0, as Prometheus reads it.

use std::fmt::Write;

use units::Seconds;

use crate::meter::Reading;

/// The content type of [`text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Energy since the meter's start, power of late, and what the meter itself used, in CPU time.
#[must_use]
pub fn text(readings: &[Reading], own_cpu: Seconds) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, unit: &str, help: &str, samples: &[String]| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# TYPE {name} {kind}\n# UNIT {name} {unit}\n# HELP {name} {help}");
        for it in samples {
            let _ = writeln!(text, "{it}");
        }
    };
    let energies: Vec<String> = readings
        .iter()
        .map(|it| format!("wattlab_energy_joules_total{} {}", labels(it), it.joules.0))
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
        .filter_map(|it| Some(format!("wattlab_power_watts{} {}", labels(it), it.watts?.0)))
        .collect();
    family("wattlab_power_watts", "gauge", "watts", "Power of late.", &powers);
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

fn labels(it: &Reading) -> String {
    let channel = &it.channel;
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
