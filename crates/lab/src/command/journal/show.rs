//! `wattlab journal show`: prints the runs of a journal as a table, or one record.

use std::path::PathBuf;

use anyhow::anyhow;
use record::{Energy, Experiment, Outcome, RunId, RunRecord, Task, TrainedNetwork, scan_journal};
use serde_json::json;

use super::args::{Only, file};
use crate::{Failure, output};

/// Arguments of `wattlab journal show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal, or folder of a reproduction with a `journal.jsonl`
    path: PathBuf,
    /// Only runs of this experiment
    #[arg(long)]
    experiment: Option<Only>,
    /// Print the whole record of the run whose id begins with this text
    #[arg(long, value_name = "ID", conflicts_with = "experiment")]
    id: Option<String>,
    /// Print the result as one JSON document
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
    let of = |record: RunRecord| record.id.to_string().starts_with(id).then_some(record);
    let state =
        scan_journal(&path, of, |_, record| found.extend(record)).map_err(Failure::bad_input)?;
    match &found[..] {
        [one] => output::print_json(one)?,
        [] => {
            return Err(Failure::BadInput(anyhow!(
                "flag `--id` is `{id}`, but no run in `{}` has an id that begins with it; `wattlab \
                 journal show` lists the ids",
                path.display()
            )));
        }
        several => {
            let ids: Vec<String> =
                several.iter().take(5).map(|record| record.id.to_string()).collect();
            return Err(Failure::BadInput(anyhow!(
                "flag `--id` is `{id}`, but {} runs in `{}` have ids that begin with it ({}, …); \
                 give more digits",
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
    let wanted = |record: &RunRecord| only.is_none_or(|only| record.spec.experiment == only);
    let of = |record: RunRecord| wanted(&record).then(|| line(&record));
    let mut lines = Vec::new();
    let state =
        scan_journal(&path, of, |_, line| lines.extend(line)).map_err(Failure::bad_input)?;
    if args.json {
        let runs = lines.iter().map(|line| {
            json!({
                "id": line.id,
                "experiment": line.experiment,
                "repetition": line.repetition,
                "what": line.what,
                "result": line.result,
                "energy": line.energy,
                "duration_s": line.duration_s,
                "warnings": line.warnings,
            })
        });
        let runs: Vec<_> = runs.collect();
        output::print_json(&json!({"schema": "wattlab.runs/1", "file": path, "runs": runs}))?;
    } else {
        let width = lines.iter().map(|line| line.what.chars().count()).max().unwrap_or(0).max(4);
        output::print(&format!(
            "{:<16} {:<10} {:>3} {:<width$} {:>16} {:>18} {:>9}",
            "id", "experiment", "rep", "what", "result", "energy", "time"
        ));
        for line in &lines {
            let energy = line.energy.map_or_else(
                || "none".to_owned(),
                |energy| format!("{:.2} {}", energy.joules, energy.origin.word()),
            );
            output::print(&format!(
                "{} {:<10} {:>3} {:<width$} {:>16} {energy:>18} {:>7.2} s{}",
                line.id,
                format!("{:?}", line.experiment).to_lowercase(),
                line.repetition,
                line.what,
                line.result,
                line.duration_s,
                match line.warnings {
                    0 => String::new(),
                    1 => "  1 warning".to_owned(),
                    more => format!("  {more} warnings"),
                },
            ));
        }
    }
    state.undamaged(&path).map_err(Failure::bad_input)
}

/// A trained network in words.
fn words(network: &TrainedNetwork) -> String {
    match network {
        TrainedNetwork::Study(network) => {
            // Dense networks have neither convolutions nor ReLU.
            let blocks = match (network.conv, network.relu) {
                (0, _) => String::new(),
                (conv, true) => format!("{conv} conv with ReLU, "),
                (conv, false) => format!("{conv} conv without ReLU, "),
            };
            format!("{} {blocks}{} linear", network.kind.paper_name(), network.linear)
        }
        TrainedNetwork::Own(network) => {
            let levels = network.levels.iter();
            let levels = levels.map(|level| format!(", {} = {}", level.path, level.value));
            format!("{}{}", network.file, levels.collect::<String>())
        }
    }
}

fn line(record: &RunRecord) -> Line {
    let what = match &record.spec.task {
        Task::Train(task) => {
            let trial = task.trial.map_or_else(String::new, |trial| {
                format!(", {} trial {}", trial.sampler.title(), trial.number)
            });
            let engine = match task.engine.is_fused() {
                true => String::new(),
                false => format!(", engine {}", task.engine.title()),
            };
            format!("{}, {}{trial}{engine}", words(&task.network), task.data.name)
        }
        Task::Serve(task) => {
            let policy = report::policy_title(task.policy);
            let network = task.precision.of_network(&task.network);
            format!("{network} at {}/s, {policy}", task.arrivals.rate)
        }
        Task::Infer(task) => {
            format!("{}, batches of {}", task.precision.of_network(&task.network), task.batch)
        }
        Task::Evaluate(task) => {
            let network = task.precision.of_network(&task.network);
            format!("{network}, weights {}, {}", task.weights.file, task.data)
        }
    };
    let result = match &record.outcome {
        Outcome::Trained(trained) => match trained.diverged_in_epoch {
            Some(epoch) => format!("diverged in {epoch}"),
            None => format!("accuracy {:.4}", trained.test_accuracy),
        },
        Outcome::Served(served) => format!("{} requests", served.requests),
        Outcome::Inferred(inferred) => format!("{} images", inferred.images),
        Outcome::Evaluated(evaluated) => {
            format!("{} of {} correct", evaluated.correct, evaluated.data.test)
        }
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
