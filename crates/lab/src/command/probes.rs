//! `wattlab probes`: lists what can measure energy on this machine.

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
/// If a plugin that was named cannot be loaded. One whose hardware is missing is listed with the reason.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let meter = args.sensing.builder()?.fall_back().start().map_err(Failure::bad_input)?;
    let probes = meter.probes();
    if args.json {
        let probes: Vec<_> = probes
            .iter()
            .map(|probe| {
                json!({
                    "probe": probe.probe,
                    "available": probe.available,
                    "reason": probe.reason,
                    "remedy": probe.remedy,
                    "channels": probe.channels.iter().map(channel).collect::<Vec<_>>(),
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

fn channel(channel: &Channel) -> Value {
    json!({
        "domain": channel.domain,
        "device": channel.device,
        "kind": if matches!(channel.kind, Kind::Power) { "power" } else { "counter" },
        "origin": channel.method.origin(),
        "method": channel.method,
        "unit": channel.unit,
        "period_s": channel.period,
        "relative_error": channel.relative_error,
        "model": channel.model,
    })
}
