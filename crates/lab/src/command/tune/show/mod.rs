//! `wattlab tune show JOURNAL`: what a study has learned, as text, JSON and figures.

mod figures;
mod page;
mod states;
mod trials;
mod watch;

use std::path::PathBuf;

use anyhow::ensure;
use serde_json::{Value, json};
use tuner::OpenStudy;

use crate::{Failure, insight::Learned, output};

/// Arguments of `wattlab tune show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal of `wattlab tune run` or `wattlab tune serve`. It is only read.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Write figures (SVG) into this folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Write a self-contained page (HTML) to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the page again whenever the study has changed, until Ctrl-C; the page loads itself again.
    #[arg(long, requires = "html", conflicts_with_all = ["json", "svg"])]
    watch: bool,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
///
/// # Errors
///
/// If the file is not the journal of a study, or has no trial with a value.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if let (true, Some(html)) = (args.watch, &args.html) {
        return watch::watch(&args.journal, html);
    }
    let study = OpenStudy::read(&args.journal).map_err(Failure::bad_input)?;
    let learned = Learned::of(&study);
    let check = || -> anyhow::Result<()> {
        ensure!(
            study.has_values(),
            "`{}` has no trial with a value yet; run some trials first",
            args.journal.display(),
        );
        Ok(())
    };
    check().map_err(Failure::bad_input)?;
    if let Some(folder) = &args.svg {
        figures::write(&study, &learned, folder).map_err(Failure::run_time)?;
    }
    if let Some(file) = &args.html {
        let page = page::page(&study, &learned, &watch::name(&args.journal), false);
        watch::write(file, &page).map_err(Failure::run_time)?;
    }
    if args.json {
        return output::print_json(&data(&study, &learned));
    }
    for line in lines(&study, &learned) {
        output::print(&line);
    }
    Ok(())
}

/// The document of `--json`.
fn data(study: &OpenStudy, learned: &Learned<'_>) -> Value {
    let spec = |index: usize| &study.spec().space[index];
    let name = |index: usize| &spec(index).name;
    let alone = learned.importance().into_iter().flat_map(|found| found.alone.iter().enumerate());
    let alone = alone.map(|(index, share)| {
        json!({ "parameter": name(index), "share": share.mean, "deviation": share.deviation })
    });
    let pairs = learned.importance().into_iter().flat_map(|found| &found.pairs);
    let pairs = pairs.map(|(a, b, share)| {
        json!({
            "parameters": [name(*a), name(*b)],
            "share": share.mean,
            "deviation": share.deviation,
        })
    });
    let dependence = learned.function().into_iter().flat_map(|found| &found.dependence).enumerate();
    let dependence = dependence.map(|(index, along)| {
        let values: Vec<Value> = along.at.iter().map(|value| spec(index).value(*value)).collect();
        json!({
            "parameter": name(index),
            "at": values,
            "mean": along.mean,
            "deviation": along.deviation,
        })
    });
    let coordinates = learned.trials.iter().map(|trial| {
        json!({
            "trial": trial.number,
            "params": study.named(&trial.parameters),
            "places": study.space().places(&trial.parameters),
            "values": study.values_of(trial),
        })
    });
    let history = learned.progress.iter().map(|point| {
        json!({
            "trial": point.number,
            "value": point.value,
            "best": point.best,
            "cost": point.cost,
        })
    });
    let trials = study.trials().map(|trial| {
        json!({
            "trial": trial.number,
            "state": states::word(trial),
            "params": study.named(&trial.parameters),
            "value": study.last_values(trial.number),
            "curve": trials::curve(study, trial),
        })
    });
    let pareto: Vec<Value> = study.pareto().iter().map(|trial| study.trial_json(trial)).collect();
    json!({
        "schema": "wattlab.tune-show/1",
        "trials": trials.collect::<Vec<_>>(),
        // With one objective, the best trial.
        "pareto": pareto,
        "importance": alone.collect::<Vec<_>>(),
        "interactions": pairs.collect::<Vec<_>>(),
        "partial_dependence": dependence.collect::<Vec<_>>(),
        "parallel_coordinates": coordinates.collect::<Vec<_>>(),
        "history": history.collect::<Vec<_>>(),
        // Why importance and dependence are missing; null if they are not.
        "silence": learned.function().and_then(|found| found.silence.as_deref()),
    })
}

/// At most this many trials of a Pareto front are printed.
const FRONT: usize = 20;

/// What is printed without `--json`.
fn lines(study: &OpenStudy, learned: &Learned<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let completed = learned.trials.len();
    lines.push(format!("trials: {}", states::counts(study)));
    let front = study.pareto();
    if study.has_several_objectives() && !front.is_empty() {
        lines.push(format!("the Pareto front, {} of {completed} trials:", front.len()));
        let shown = front.iter().take(FRONT);
        lines.extend(shown.map(|trial| format!("  {}", study.trial_json(trial))));
        if front.len() > FRONT {
            lines.push(format!("  and {} more; --json has all", front.len() - FRONT));
        }
    } else if let Ok(best) = study.best() {
        lines.push(format!("best: {}", study.trial_json(best)));
    }
    let Some(importance) = learned.importance() else {
        lines.extend(learned.insight.in_words());
        return lines;
    };
    lines.push("share of the variance over the space (fANOVA):".to_owned());
    let shares = learned.insight.ranked(importance);
    lines.extend(shares.iter().take(10).map(|(name, share)| {
        format!("  {:5.1} % ± {:4.1}  {name}", 100.0 * share.mean, 100.0 * share.deviation)
    }));
    lines
}
