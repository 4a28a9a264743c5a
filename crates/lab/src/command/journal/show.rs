//! `wattlab journal show`: the runs as a table, or one record whole.

use std::path::PathBuf;

use anyhow::anyhow;
use record::{Energy, Experiment, Outcome, RunId, RunRecord, Task, scan_journal};
use serde_json::json;

use super::{Only, file};
use crate::{Failure, output};

/// Arguments of `wattlab journal show`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Journal, or the folder of a reproduction.
    path: PathBuf,
    /// Only the runs of this experiment.
    #[arg(long)]
    experiment: Option<Only>,
    /// The record of this run, whole; the beginning of its id is enough.
    #[arg(long, value_name = "ID", conflicts_with = "experiment")]
    id: Option<String>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// A run in the table.
struct Line {
    id: RunId,
    experiment: Experiment,
    repetition: u32,
    what: String,
    result: String,
    energy: Option<Energy>,
    duration_s: f64,
    warnings: usize,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    match &args.id {
        Some(id) => one(args, id),
        None => table(args),
    }
}

fn one(args: &Args, id: &str) -> Result<(), Failure> {
    let path = file(&args.path);
    let mut found = Vec::new();
    let of = |it: RunRecord| it.id.to_string().starts_with(id).then_some(it);
    let state = scan_journal(&path, of, |_, it| found.extend(it)).map_err(Failure::bad_input)?;
    match &found[..] {
        [one] => output::print_json(one)?,
        [] => {
            return Err(Failure::BadInput(anyhow!(
                "flag `--id` is `{id}`, and no run in `{}` has an id that begins so; `wattlab \
                 journal show` lists them",
                path.display()
            )));
        }
        several => {
            let ids: Vec<String> = several.iter().take(5).map(|it| it.id.to_string()).collect();
            return Err(Failure::BadInput(anyhow!(
                "flag `--id` is `{id}`, and {} runs in `{}` have ids that begin so ({}, …); give \
                 more of it",
                several.len(),
                path.display(),
                ids.join(", ")
            )));
        }
    }
    state.undamaged(&path).map_err(Failure::bad_input)
}

fn table(args: &Args) -> Result<(), Failure> {
    let path = file(&args.path);
    let only = args.experiment.map(Experiment::from);
    let of = |it: RunRecord| only.is_none_or(|only| it.spec.experiment == only).then(|| line(&it));
    let mut lines = Vec::new();
    let state = scan_journal(&path, of, |_, it| lines.extend(it)).map_err(Failure::bad_input)?;
    if args.json {
        let runs = lines.iter().map(|it| {
            json!({
                "id": it.id,
                "experiment": it.experiment,
                "repetition": it.repetition,
                "what": it.what,
                "result": it.result,
                "energy": it.energy,
                "duration_s": it.duration_s,
                "warnings": it.warnings,
            })
        });
        let runs: Vec<_> = runs.collect();
        output::print_json(&json!({"schema": "wattlab.runs/1", "file": path, "runs": runs}))?;
    } else {
        let width = lines.iter().map(|it| it.what.chars().count()).max().unwrap_or(0).max(4);
        output::print(&format!(
            "{:<16} {:<10} {:>3} {:<width$} {:>16} {:>18} {:>9}",
            "id", "experiment", "rep", "what", "result", "energy", "time"
        ));
        for it in &lines {
            let energy = it.energy.map_or_else(
                || "none".to_owned(),
                |it| format!("{:.2} {}", it.joules, it.origin.word()),
            );
            output::print(&format!(
                "{} {:<10} {:>3} {:<width$} {:>16} {energy:>18} {:>7.2} s{}",
                it.id,
                format!("{:?}", it.experiment).to_lowercase(),
                it.repetition,
                it.what,
                it.result,
                it.duration_s,
                match it.warnings {
                    0 => String::new(),
                    1 => "  1 warning".to_owned(),
                    more => format!("  {more} warnings"),
                },
            ));
        }
    }
    state.undamaged(&path).map_err(Failure::bad_input)
}

fn line(record: &RunRecord) -> Line {
    let what = match &record.spec.task {
        Task::Train(task) => {
            let network = &task.network;
            let trial = task.trial.map_or_else(String::new, |it| {
                format!(", {} trial {}", it.sampler.title(), it.number)
            });
            // Dense networks have neither.
            let blocks = match (network.conv, network.relu) {
                (0, _) => String::new(),
                (conv, true) => format!("{conv} conv with ReLU, "),
                (conv, false) => format!("{conv} conv without ReLU, "),
            };
            format!(
                "{} {blocks}{} linear, {}{trial}",
                network.kind.paper_name(),
                network.linear,
                task.data.name
            )
        }
        Task::Serve(task) => {
            let policy = report::policy_title(task.policy);
            format!("{} at {}/s, {policy}", task.network, task.arrivals.rate)
        }
        Task::Infer(task) => format!("{}, batches of {}", task.network, task.batch),
    };
    let result = match &record.outcome {
        Outcome::Trained(it) => match it.diverged_in_epoch {
            Some(epoch) => format!("diverged in {epoch}"),
            None => format!("accuracy {:.4}", it.test_accuracy),
        },
        Outcome::Served(it) => format!("{} requests", it.requests),
        Outcome::Inferred(it) => format!("{} images", it.images),
    };
    Line {
        id: record.id.clone(),
        experiment: record.spec.experiment,
        repetition: record.spec.repetition,
        what,
        result,
        energy: record.energy.total,
        duration_s: record.timing.duration.0,
        warnings: record.warnings.len(),
    }
}
