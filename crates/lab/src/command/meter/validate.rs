//! `wattlab meter validate`: checks the meter on simulated sensors.

use std::time::Instant;

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
}

/// Runs it.
///
/// # Errors
///
/// If a case fails.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
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
