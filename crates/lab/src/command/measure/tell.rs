//! What was measured, for programs and for people.

use std::{
    fmt::Write as _,
    fs::File,
    io::{BufWriter, Write},
};

use meter::{Idle, Reading, carbon::Carbon, export::csv};
use record::{DomainEnergy, Energy, Seconds};
use serde_json::{Value, json};

use super::child::Ended;
use crate::Failure;

/// A measured command.
pub(super) struct Told<'a> {
    pub(super) command: &'a [String],
    pub(super) ended: &'a Ended,
    pub(super) idle: Option<Idle>,
    pub(super) carbon: Option<&'a Carbon>,
}

impl Told<'_> {
    /// As `wattlab measure --json` promises it.
    pub(super) fn json(&self) -> Value {
        let report = &self.ended.report;
        let duration = report.duration;
        json!({
            "schema": "wattlab.measure/1",
            "command": self.command,
            "duration_s": duration,
            "exit_code": self.ended.code(),
            "total": report.total,
            "domains": report.domains.iter().map(|it| domain(it, duration)).collect::<Vec<_>>(),
            "absent": report.absent.iter().map(|it| json!({
                "domain": it.domain,
                "device": it.device,
                "probe": it.probe,
                "reason": it.reason,
                "in_total": it.in_total,
            })).collect::<Vec<_>>(),
            "attribution": report.attribution.map(|it| json!({
                "measured": it.measured,
                "process": it.process,
                "idle": it.idle,
                "others": it.others,
                "process_cpu_s": it.process_cpu,
                "machine_cpu_s": it.machine_cpu,
            })),
            "idle": self.idle.map(|it| json!({
                "duration_s": it.duration,
                "mean_w": it.mean,
                "spread_w": it.spread,
                "origin": it.origin,
                "above": it.above(report),
            })),
            "carbon": self.carbon.map(|it| json!({
                "grams": it.grams,
                "uncertainty_g": it.uncertainty,
                "origin": it.origin,
                "g_per_kwh": it.intensity.grams_per_kwh,
                "g_per_kwh_uncertainty": it.intensity.uncertainty,
                "scope": it.intensity.scope,
                "source": it.intensity.source,
                "pue": it.pue,
            })),
            "meter": { "cpu_s": report.own_cpu, "share": share(report.own_cpu, duration) },
            "warnings": report.warnings,
        })
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let report = &self.ended.report;
        let mut text = format!("\n{:.3} s, exit code {}\n", report.duration.0, self.ended.code());
        for it in &report.domains {
            let power = it.mean_power.unwrap_or_default();
            let counted = if it.in_total { "" } else { "  (not in the total)" };
            let _ = writeln!(
                text,
                "  {:<12} {:<24} {:>12} ± {:<10} {:>9}  {} ({}){counted}",
                it.domain.word(),
                it.device,
                format!("{:.3}", it.joules),
                format!("{:.3}", it.uncertainty),
                format!("{power:.2}"),
                it.origin.word(),
                it.probe,
            );
        }
        let _ = match &report.total {
            Some(total) => writeln!(text, "  total        {}", amount(total)),
            None => writeln!(text, "  total        absent"),
        };
        if let Some(it) = &report.attribution {
            let _ = writeln!(
                text,
                "  of the processor's energy, this command: {}",
                amount(&it.process)
            );
        }
        if let Some(idle) = &self.idle {
            let _ = writeln!(text, "  at rest: {:.2} (spread {:.2})", idle.mean, idle.spread);
            if let Some(above) = idle.above(report) {
                let _ = writeln!(text, "  above rest: {}", amount(&above));
            }
        }
        if let Some(it) = self.carbon {
            let _ = writeln!(
                text,
                "  {:.6} g CO2e ± {:.6} ({}; {:.0} g/kWh, {})",
                it.grams,
                it.uncertainty,
                it.origin.word(),
                it.intensity.grams_per_kwh,
                it.intensity.scope
            );
        }
        for warning in &report.warnings {
            let _ = writeln!(text, "  warning: {}", warning.text);
        }
        text.trim_end().to_owned()
    }
}

fn amount(energy: &Energy) -> String {
    format!("{:.3} ± {:.3}, {}", energy.joules, energy.uncertainty, energy.origin.word())
}

fn domain(it: &DomainEnergy, duration: Seconds) -> Value {
    let mut value = serde_json::to_value(it).unwrap_or_default();
    let interval = [it.joules.0 - it.uncertainty.0, it.joules.0 + it.uncertainty.0];
    value["interval95_j"] = json!([interval[0].max(0.0), interval[1]]);
    value["coverage"] = json!(1.0 - share(it.gap, duration).min(1.0));
    value
}

fn share(part: Seconds, whole: Seconds) -> f64 {
    if whole.0 > 0.0 { part.0 / whole.0 } else { 0.0 }
}

/// Writes every sample as lines of CSV.
pub(super) fn series(file: File) -> Result<impl FnMut(&[Reading]) + Send + 'static, Failure> {
    let mut file = BufWriter::new(file);
    file.write_all(csv::HEAD.as_bytes()).map_err(Failure::run_time)?;
    Ok(move |readings: &[Reading]| {
        // A full disk must not end what is being measured; the document has the sums.
        let _ = file.write_all(csv::lines(readings).as_bytes()).and_then(|()| file.flush());
    })
}
