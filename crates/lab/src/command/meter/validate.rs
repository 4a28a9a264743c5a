//! `wattlab meter validate`: checks the meter on simulated sensors, and on recorded ones.

mod figure;
mod real;

use std::{path::PathBuf, time::Instant};

use anyhow::anyhow;
use meter::validate;
use serde_json::json;

use crate::{Failure, output};

/// Arguments of `wattlab meter validate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    /// Also print the cases that pass.
    #[arg(long, short)]
    verbose: bool,
    /// Instead replay recorded GPU power sensors, and compare the energies with those of a power meter
    /// that was recorded beside them. DIR has a folder for each recording, named BOARD-LOAD, with
    /// `nvidia_smi.csv` (columns `time_s`, `power_draw_w` and optionally `power_draw_instant_w`) and
    /// `meter.csv` or `meter.csv.gz` (`time_s`, `watts`).
    #[arg(long, value_name = "DIR")]
    real: Option<PathBuf>,
    /// Print the table of `--real` as Markdown.
    #[arg(long, requires = "real", conflicts_with = "json")]
    markdown: bool,
    /// Draw the power meter, plain integration, and the estimate with its interval into this SVG file.
    #[arg(long, value_name = "FILE", requires = "real")]
    svg: Option<PathBuf>,
    /// The recording that `--svg` draws [default: the one that gains most from the reconstruction].
    #[arg(long, value_name = "NAME", requires = "svg")]
    trace: Option<String>,
}

/// Runs it.
///
/// # Errors
///
/// If a case fails, or recordings cannot be read.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let Some(folder) = &args.real {
        return real::run(args, folder);
    }
    let start = Instant::now();
    let mut group = "";
    let cases = validate::run(|case| {
        if args.json {
            return;
        }
        if case.group != group {
            group = case.group;
            output::print(group);
        }
        if args.verbose || !case.pass {
            let mark = if case.pass { "ok    " } else { "FAILED" };
            output::print(&format!("  {mark} {}: {}", case.name, case.detail));
        }
    });
    let failed = cases.iter().filter(|case| !case.pass).count();
    let seconds = start.elapsed().as_secs_f64();
    if args.json {
        let cases: Vec<_> = cases
            .iter()
            .map(|case| {
                let validate::Case { group, name, pass, detail, .. } = case;
                json!({ "group": group, "name": name, "pass": pass, "detail": detail })
            })
            .collect();
        output::print_json(&json!({
            "schema": "wattlab.validate/1",
            "cases": cases,
            "failed": failed,
            "duration_s": seconds,
        }))?;
    } else {
        output::print(&format!("{} cases, {failed} failed, {seconds:.1} s", cases.len()));
    }
    if failed > 0 {
        return Err(Failure::run_time(anyhow!("{failed} of the cases failed; see above")));
    }
    Ok(())
}
