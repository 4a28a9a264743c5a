//! The result of a measurement, as JSON and as text.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write},
};

use meter::{Idle, Reading, carbon::Carbon, export::csv};
use record::{DomainEnergy, Seconds};
use serde_json::{Value, json};

use super::child::MeasuredCommand;
use crate::Failure;

/// A command, its energy, and what that is compared with.
pub(super) struct Measurement<'a> {
    pub(super) command: &'a [String],
    pub(super) measured: &'a MeasuredCommand,
    pub(super) idle: Option<Idle>,
    pub(super) carbon: Option<&'a Carbon>,
}

impl Measurement<'_> {
    /// The document of `wattlab measure --json`.
    pub(super) fn json(&self) -> Value {
        let report = &self.measured.report;
        let duration = report.duration;
        json!({
            "schema": "wattlab.measure/1",
            "command": self.command,
            "duration_s": duration,
            "exit_code": self.measured.code(),
            "total": report.total,
            "domains": report.domains.iter().map(|energy| domain(energy, duration)).collect::<Vec<_>>(),
            "absent": report.absent.iter().map(|absence| json!({
                "domain": absence.domain,
                "device": absence.device,
                "probe": absence.probe,
                "reason": absence.reason,
                "in_total": absence.in_total,
            })).collect::<Vec<_>>(),
            "attribution": report.attribution.map(|parts| json!({
                "measured": parts.measured,
                "process": parts.process,
                "idle": parts.idle,
                "others": parts.others,
                "process_cpu_s": parts.process_cpu,
                "machine_cpu_s": parts.machine_cpu,
            })),
            "idle": self.idle.map(|idle| json!({
                "duration_s": idle.duration,
                "mean_w": idle.mean,
                "spread_w": idle.spread,
                "origin": idle.origin,
                "above": idle.above(report),
            })),
            "carbon": self.carbon.map(|carbon| json!({
                "grams": carbon.grams,
                "uncertainty_g": carbon.uncertainty,
                "origin": carbon.origin,
                "g_per_kwh": carbon.intensity.grams_per_kwh,
                "g_per_kwh_uncertainty": carbon.intensity.uncertainty,
                "scope": carbon.intensity.scope,
                "source": carbon.intensity.source,
                "pue": carbon.pue,
            })),
            "meter": { "cpu_s": report.own_cpu, "share": share(report.own_cpu, duration) },
            "warnings": report.warnings,
        })
    }

    /// The text for people.
    pub(super) fn table(&self) -> String {
        let report = &self.measured.report;
        let mut text =
            format!("\n{:.3} s, exit code {}\n", report.duration.0, self.measured.code());
        for energy in &report.domains {
            let power = energy.mean_power.unwrap_or_default();
            let counted = if energy.in_total { "" } else { "  (not in the total)" };
            let _ = writeln!(
                text,
                "  {:<12} {:<24} {:<36} {:>9}  ({}){counted}",
                energy.domain.word(),
                energy.device,
                energy.energy().to_string(),
                format!("{power:.2}"),
                energy.probe,
            );
        }
        let _ = match &report.total {
            Some(total) => writeln!(text, "  total        {total}"),
            None => writeln!(text, "  total        absent"),
        };
        if let Some(parts) = &report.attribution {
            let _ = writeln!(text, "  share of the processor's energy: {}", parts.process);
        }
        if let Some(idle) = &self.idle {
            let _ = writeln!(text, "  idle power: {:.2} (spread {:.2})", idle.mean, idle.spread);
            if let Some(above) = idle.above(report) {
                let _ = writeln!(text, "  above idle: {above}");
            }
        }
        if let Some(carbon) = self.carbon {
            let _ = writeln!(
                text,
                "  {:.6} g CO2e ± {:.6} ({}; {:.0} g/kWh, {})",
                carbon.grams,
                carbon.uncertainty,
                carbon.origin.word(),
                carbon.intensity.grams_per_kwh,
                carbon.intensity.scope
            );
        }
        for warning in &report.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        text.trim_end().to_owned()
    }
}

fn domain(energy: &DomainEnergy, duration: Seconds) -> Value {
    let mut value = serde_json::to_value(energy).unwrap_or_default();
    let (joules, uncertainty) = (energy.joules.0, energy.uncertainty.0);
    value["interval95_j"] = json!([(joules - uncertainty).max(0.0), joules + uncertainty]);
    value["coverage"] = json!(1.0 - share(energy.gap, duration).min(1.0));
    value
}

fn share(part: Seconds, whole: Seconds) -> f64 {
    if whole.0 > 0.0 { part.0 / whole.0 } else { 0.0 }
}

/// A function that writes every sample to a file, as lines of CSV.
pub(super) fn series(file: File) -> Result<impl FnMut(&[Reading]) + Send + 'static, Failure> {
    let mut file = BufWriter::new(file);
    file.write_all(csv::HEAD.as_bytes()).map_err(Failure::run_time)?;
    Ok(move |readings: &[Reading]| {
        // A full disk must not end the command that is being measured; the result has the sums.
        let _ = file.write_all(csv::lines(readings).as_bytes()).and_then(|()| file.flush());
    })
}
