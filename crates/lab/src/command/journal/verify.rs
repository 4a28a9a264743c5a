//! `wattlab journal verify`: checks every line of a journal.

use std::path::PathBuf;

use record::{Damage, Energy, Experiment, scan_journal};
use serde_json::{Value, json};

use super::args::file;
use crate::{
    Failure,
    experiment::{all, title},
    output,
};

/// Arguments of `wattlab journal verify`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal, or folder of a reproduction with a `journal.jsonl`
    path: PathBuf,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let path = file(&args.path);
    let mut runs: Vec<(Experiment, u64)> = all().map(|experiment| (experiment, 0)).collect();
    let mut energy: Option<Energy> = None;
    let state = scan_journal(
        &path,
        |record| (record.spec.experiment, record.energy.total),
        |_, (experiment, joules)| {
            runs.iter_mut()
                .filter(|(known, _)| *known == experiment)
                .for_each(|(_, count)| *count += 1);
            energy = Energy::total(energy.into_iter().chain(joules));
        },
    );
    let state = state.map_err(Failure::bad_input)?;
    if args.json {
        let experiments: Value = runs
            .iter()
            .map(|(experiment, runs)| (format!("{experiment:?}").to_lowercase(), json!(runs)))
            .collect::<serde_json::Map<_, _>>()
            .into();
        output::print_json(&json!({
            "schema": "wattlab.journal/1",
            "file": path,
            "bytes": state.bytes,
            "records": state.records,
            "experiments": experiments,
            "energy": energy,
            "unsealed": state.unsealed,
            "torn_bytes": state.torn.map(|torn| torn.bytes),
            "damage": state.damage.iter().map(as_json).collect::<Vec<_>>(),
        }))?;
    } else {
        let joules = energy.map_or_else(
            || "no energy".to_owned(),
            |energy| format!("{:.0} {}", energy.joules, energy.origin.word()),
        );
        output::print(&format!(
            "{}: {} records, {} bytes, {joules}",
            path.display(),
            state.records,
            state.bytes
        ));
        for (experiment, runs) in runs.iter().filter(|(_, runs)| *runs > 0) {
            output::print(&format!("{:<16} {runs:>8} runs", title(*experiment)));
        }
        if state.unsealed > 0 {
            output::print(&format!(
                "{} lines were written by a version without checksums and have none",
                state.unsealed
            ));
        }
        if let Some(torn) = state.torn {
            output::print(&format!(
                "the last line is unfinished ({} bytes): it is being written, or a crash cut it off; \
                 in that case the next `wattlab reproduce` removes it and does its run again",
                torn.bytes
            ));
        }
        for damaged in &state.damage {
            output::print(&format!("line {}: {}", damaged.line, damaged.fault));
        }
    }
    state.undamaged(&path).map_err(Failure::bad_input)
}

/// A damaged line in the form of `--json`.
pub(super) fn as_json(damage: &Damage) -> Value {
    json!({
        "line": damage.line,
        "fault": damage.fault.word(),
        "text": damage.fault.to_string(),
    })
}
