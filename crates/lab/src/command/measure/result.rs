//! The result of a measurement, as JSON and as text.

use std::fmt::Write as _;

use meter::{CpuShare, Idle, carbon::Carbon};
use record::{DomainEnergy, Energy, Seconds, Warning};
use serde_json::{Value, json};

use super::child::MeasuredCommand;

/// A command, its energy, and what that is compared with.
pub(super) struct Measurement<'a> {
    pub(super) command: &'a [String],
    pub(super) measured: &'a MeasuredCommand,
    pub(super) idle: Option<Idle>,
    pub(super) carbon: Option<&'a Carbon>,
    /// The warnings of the span, and others.
    pub(super) warnings: &'a [Warning],
    /// Whether the total is that of a job, from which the machine's idle power cannot be subtracted.
    pub(super) of_job: bool,
}

impl Measurement<'_> {
    /// The document of `wattlab measure --json`.
    pub(super) fn json(&self) -> Value {
        let report = &self.measured.report;
        let mut document = json!({ "schema": "wattlab.measure/1", "command": self.command });
        merge(&mut document, figures(self.measured));
        let above = self.idle.filter(|_| !self.of_job).and_then(|idle| idle.above(report));
        merge(
            &mut document,
            json!({
                "idle": idle_json(self.idle.as_ref(), above),
                "carbon": carbon_json(self.carbon),
                "warnings": self.warnings,
            }),
        );
        document
    }

    /// The text for people.
    pub(super) fn table(&self) -> String {
        let report = &self.measured.report;
        let mut text = format!("\n{:.3} s{}\n", report.duration.0, self.exit());
        text.push_str(&domains_text(&report.domains));
        let _ = match &report.total {
            Some(total) => writeln!(text, "  total        {total}"),
            None => writeln!(text, "  total        absent"),
        };
        if let Some(parts) = &report.attribution {
            let _ = writeln!(
                text,
                "  share of the processor's energy: {} (CPU time counted by {})",
                parts.process,
                parts.share.accounting.word()
            );
        }
        if let Some(idle) = &self.idle {
            let above = (!self.of_job).then(|| idle.above(report)).flatten();
            text.push_str(&idle_text(idle, above));
        }
        text.push_str(&carbon_text(self.carbon));
        text.push_str(&warnings_text(self.warnings));
        text.trim_end().to_owned()
    }
}

impl Measurement<'_> {
    /// The exit code in words; a job that is measured without a command has none.
    fn exit(&self) -> String {
        if self.command.is_empty() {
            return String::new();
        }
        format!(", exit code {}", self.measured.code())
    }
}

/// Adds the fields of one object to another.
pub(super) fn merge(document: &mut Value, more: Value) {
    if let (Value::Object(document), Value::Object(more)) = (document, more) {
        document.extend(more);
    }
}

/// What one run says, without its warnings.
pub(super) fn figures(measured: &MeasuredCommand) -> Value {
    let report = &measured.report;
    let duration = report.duration;
    json!({
        "duration_s": duration,
        "exit_code": measured.code(),
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
            "method": parts.share.accounting.word(),
            "share": parts.share.value(),
            "share_interval95": parts.share.interval(CpuShare::PROCESSOR),
        })),
        "meter": { "cpu_s": report.own_cpu, "share": share(report.own_cpu, duration) },
    })
}

/// Idle power, and the energy above it.
pub(super) fn idle_json(idle: Option<&Idle>, above: Option<Energy>) -> Value {
    json!(idle.map(|idle| json!({
        "duration_s": idle.duration,
        "mean_w": idle.mean,
        "spread_w": idle.spread,
        "origin": idle.origin,
        "above": above,
    })))
}

/// An amount of carbon and where it comes from.
pub(super) fn carbon_json(carbon: Option<&Carbon>) -> Value {
    json!(carbon.map(|carbon| json!({
        "grams": carbon.grams,
        "uncertainty_g": carbon.uncertainty,
        "origin": carbon.origin,
        "g_per_kwh": carbon.intensity.grams_per_kwh,
        "g_per_kwh_uncertainty": carbon.intensity.uncertainty,
        "scope": carbon.intensity.scope,
        "source": carbon.intensity.source,
        "pue": carbon.pue,
    })))
}

/// An energy of a domain, with its interval and the share of the time that readings cover.
pub(super) fn domain(energy: &DomainEnergy, duration: Seconds) -> Value {
    let mut value = serde_json::to_value(energy).unwrap_or_default();
    let (joules, uncertainty) = (energy.joules.0, energy.uncertainty.0);
    value["interval95_j"] = json!([(joules - uncertainty).max(0.0), joules + uncertainty]);
    value["coverage"] = json!(1.0 - share(energy.gap, duration).min(1.0));
    value
}

/// A line for each domain.
pub(super) fn domains_text(domains: &[DomainEnergy]) -> String {
    let mut text = String::new();
    for energy in domains {
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
    text
}

/// Idle power, and the energy above it.
pub(super) fn idle_text(idle: &Idle, above: Option<Energy>) -> String {
    let mut text = format!("  idle power: {:.2} (spread {:.2})\n", idle.mean, idle.spread);
    if let Some(above) = above {
        let _ = writeln!(text, "  above idle: {above}");
    }
    text
}

/// Empty if the carbon is not known.
pub(super) fn carbon_text(carbon: Option<&Carbon>) -> String {
    carbon.map_or_else(String::new, |carbon| {
        format!(
            "  {:.6} g CO2e ± {:.6} ({}; {:.0} g/kWh, {})\n",
            carbon.grams,
            carbon.uncertainty,
            carbon.origin.word(),
            carbon.intensity.grams_per_kwh,
            carbon.intensity.scope
        )
    })
}

/// A line for each warning.
pub(super) fn warnings_text(warnings: &[Warning]) -> String {
    warnings.iter().map(|warning| format!("  warning: {warning}\n")).collect()
}

fn share(part: Seconds, whole: Seconds) -> f64 {
    if whole.0 > 0.0 { part.0 / whole.0 } else { 0.0 }
}
