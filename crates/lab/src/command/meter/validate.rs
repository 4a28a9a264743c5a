//! `wattlab meter validate`: checks the meter on simulated sensors, and on recorded ones.

mod args;
mod figure;
mod real;

use std::time::Instant;

use anyhow::anyhow;
use meter::validate;
use serde_json::json;

pub(crate) use self::args::Args;
use crate::{Failure, output};

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
