//! `wattlab tune show JOURNAL`: what a study has learned, as text, JSON and figures.

mod figures;

use std::path::PathBuf;

use anyhow::ensure;
use hpo::{ParameterKind, ProgressPoint, Trial, progress};
use report::{Axis, Function, Importance, SearchInsight, TrialPoint};
use serde_json::{Value, json};
use tuner::OpenStudy;

use crate::{
    Failure,
    insight::{self, Trials},
    output,
};

/// Arguments of `wattlab tune show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal of `wattlab tune run` or `wattlab tune serve`. It is only read.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Write figures (SVG) into this folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// What is known about the first objective.
struct Learned<'a> {
    /// Completed trials.
    trials: Vec<&'a Trial>,
    insight: SearchInsight,
    /// In the client's sign.
    progress: Vec<ProgressPoint>,
}

/// Number of values at which the dependence on a parameter is computed.
const PLACES: usize = 33;
/// A categorical parameter with more choices has numbers instead of names in figures.
const NAMED: u64 = 100;

impl<'a> Learned<'a> {
    fn of(study: &'a OpenStudy) -> Self {
        let all: Vec<Trial> = study.trials().cloned().collect();
        let mut progress = progress(&all);
        if study.minimizes() {
            // The study maximizes the negative value.
            for point in &mut progress {
                point.value = point.value.map(|value| -value);
                point.best = point.best.map(|best| -best);
            }
        }
        let trials: Vec<&Trial> = study.trials().filter(|trial| trial.is_completed()).collect();
        Self { insight: search_insight(study, &trials), progress, trials }
    }

    fn function(&self) -> Option<&Function> {
        self.insight.functions.first()
    }

    fn importance(&self) -> Option<&Importance> {
        self.function()?.importance.as_ref()
    }
}

fn search_insight(study: &OpenStudy, trials: &[&Trial]) -> SearchInsight {
    let points = trials.iter().filter_map(|trial| {
        let active = study.space().active(&trial.parameters);
        let parameters = trial.parameters.iter().zip(active);
        let point = TrialPoint {
            name: format!("trial {}", trial.number),
            parameters: parameters.map(|(value, active)| active.then_some(*value)).collect(),
            cost: trial.cost,
            value: *study.values_of(trial)?.first()?,
        };
        Some((trial.parameters.clone(), point))
    });
    let (points, shown): (Vec<Vec<f64>>, Vec<TrialPoint>) = points.unzip();
    let seen = Trials { count: trials.len(), points, shown };
    let (space, spec) = (study.space(), study.spec());
    let parameters = spec.space.iter().zip(space.parameters()).map(|(spec, parameter)| {
        let choices = match parameter.kind {
            ParameterKind::Categorical => {
                parameter.cells().filter(|cells| *cells <= NAMED).unwrap_or(0)
            }
            _ => 0,
        };
        let choice = |index: u64| match spec.value(index as f64) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        insight::parameter(parameter, spec.name.clone(), (0..choices).map(choice).collect())
    });
    SearchInsight {
        id: String::new(),
        name: String::new(),
        parameters: parameters.collect(),
        value: Axis::new("value", ""),
        bounds: None,
        is_minimized: study.minimizes(),
        cost: Some(figures::cost(study, "a trial")),
        functions: vec![insight::function("", seen, space, spec.seed, PLACES)],
    }
}

/// Runs the subcommand.
///
/// # Errors
///
/// If the file is not the journal of a study, or has no trial with a value.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let study = OpenStudy::read(&args.journal).map_err(Failure::bad_input)?;
    let learned = Learned::of(&study);
    let check = || -> anyhow::Result<()> {
        ensure!(
            !learned.trials.is_empty(),
            "`{}` has no completed trial with a value yet; run some trials first",
            args.journal.display(),
        );
        Ok(())
    };
    check().map_err(Failure::bad_input)?;
    if let Some(folder) = &args.svg {
        figures::write(&study, &learned, folder).map_err(Failure::run_time)?;
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
    json!({
        "schema": "wattlab.tune-show/1",
        "importance": alone.collect::<Vec<_>>(),
        "interactions": pairs.collect::<Vec<_>>(),
        "partial_dependence": dependence.collect::<Vec<_>>(),
        "parallel_coordinates": coordinates.collect::<Vec<_>>(),
        "history": history.collect::<Vec<_>>(),
        // Why importance and dependence are missing; null if they are not.
        "silence": learned.function().and_then(|found| found.silence.as_deref()),
    })
}

/// What is printed without `--json`.
fn lines(study: &OpenStudy, learned: &Learned<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let without = learned.progress.iter().filter(|point| point.value.is_none()).count();
    lines.push(format!("{} trials with a value, {without} without", learned.trials.len()));
    if let Ok(best) = study.best() {
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
