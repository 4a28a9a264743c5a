//! `wattlab probes`: what can measure energy here.

use std::path::PathBuf;

use crate::{Failure, output};

/// Arguments of `wattlab probes`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Read this folder in place of `/sys`.
    #[arg(long, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Load a probe from a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
    /// Load every probe of a folder.
    #[arg(long, value_name = "DIR")]
    plugin_dir: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it.
///
/// # Errors
///
/// If a plugin that was named cannot be loaded.
pub fn run(args: &Args) -> Result<(), Failure> {
    let meter = crate::work::meter(args.sysfs.as_deref(), &args.plugin, args.plugin_dir.as_deref())
        .map_err(Failure::bad_input)?;
    let probes = meter.probes();
    if args.json {
        let probes: Vec<_> = probes
            .iter()
            .map(|it| {
                serde_json::json!({
                    "probe": it.probe,
                    "available": it.available,
                    "reason": it.reason,
                    "remedy": it.remedy,
                })
            })
            .collect();
        return output::print_json(&serde_json::json!({ "probes": probes }));
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
