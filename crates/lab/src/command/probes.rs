//! `wattlab probes`: what can measure energy here.

use meter::{Channel, Kind};
use serde_json::{Value, json};

use crate::{Failure, output, sensing::Sensing};

/// Arguments of `wattlab probes`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If a plugin that was named cannot be loaded.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let meter = args.sensing.builder()?.start().map_err(Failure::bad_input)?;
    let probes = meter.probes();
    if args.json {
        let probes: Vec<_> = probes
            .iter()
            .map(|it| {
                json!({
                    "probe": it.probe,
                    "available": it.available,
                    "reason": it.reason,
                    "remedy": it.remedy,
                    "channels": it.channels.iter().map(channel).collect::<Vec<_>>(),
                })
            })
            .collect();
        return output::print_json(&json!({ "schema": "wattlab.probes/1", "probes": probes }));
    }
    for probe in probes {
        let state = if probe.available { "available" } else { "not available" };
        output::print(&format!("{:<10} {state}", probe.probe));
        for text in probe.reason.iter().chain(&probe.remedy) {
            output::print(&format!("{:<10} {text}", ""));
        }
    }
    Ok(())
}

fn channel(it: &Channel) -> Value {
    json!({
        "domain": it.domain,
        "device": it.device,
        "kind": if matches!(it.kind, Kind::Power) { "power" } else { "counter" },
        "origin": it.method.origin(),
        "method": it.method,
        "unit": it.unit,
        "period_s": it.period,
        "relative_error": it.relative_error,
        "model": it.model,
    })
}
