//! `wattlab tune show JOURNAL`: what a study has learned, as data and as figures.

mod figures;

use std::path::PathBuf;

use anyhow::ensure;
use hpo::{Kind, Progress, progress};
use report::{Axis, Importance, Landscape, Subject, Tried};
use serde_json::{Value, json};

use super::{engine::Seen, open::Open};
use crate::{
    Failure,
    insight::{self, Trials},
    output,
};

/// Arguments of `wattlab tune show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal of `wattlab tune run` or `wattlab tune serve`; it is only read.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Write figures (SVG) into this folder.
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    /// Print one JSON document on standard output.
    #[arg(long)]
    json: bool,
}

/// What is known of the first objective.
struct Insight {
    /// Trials with values, in the client's sign.
    trials: Vec<Seen>,
    landscape: Landscape,
    progress: Vec<Progress>,
}

/// Places that a dependence is shown at.
const PLACES: usize = 33;
/// Choices that have names in a figure; more are numbered.
const NAMED: u64 = 100;

impl Insight {
    fn of(open: &Open) -> Self {
        let all = open.seen();
        let given = |it: &&Seen| it.values.is_some();
        let trials: Vec<Seen> = all.iter().filter(given).cloned().collect();
        // Best means least where less is better.
        let sign = if open.minimizes() { -1.0 } else { 1.0 };
        let history: Vec<hpo::Trial> = all
            .iter()
            .map(|it| hpo::Trial {
                number: it.trial,
                parameters: Vec::new(),
                value: it.first().map(|it| it * sign),
                cost: it.cost,
            })
            .collect();
        let mut progress = progress(&history);
        for it in &mut progress {
            it.value = it.value.map(|it| it * sign);
            it.best = it.best.map(|it| it * sign);
        }
        Self { landscape: landscape(open, &trials), progress, trials }
    }

    fn subject(&self) -> Option<&Subject> {
        self.landscape.subjects.first()
    }

    fn importance(&self) -> Option<&Importance> {
        self.subject()?.importance.as_ref()
    }
}

fn landscape(open: &Open, trials: &[Seen]) -> Landscape {
    let tried = trials.iter().filter_map(|it| {
        let matters = open.space().active(&it.parameters);
        let parameters = it.parameters.iter().zip(matters);
        let tried = Tried {
            name: format!("trial {}", it.trial),
            parameters: parameters.map(|(value, matters)| matters.then_some(*value)).collect(),
            cost: it.cost,
            value: it.first()?,
        };
        Some((it.parameters.clone(), tried))
    });
    let (points, tried): (Vec<Vec<f64>>, Vec<Tried>) = tried.unzip();
    let seen = Trials { count: trials.len(), points, tried };
    let (space, seed) = (open.space(), open.spec.seed);
    let parameters = open.spec.space.iter().zip(space.parameters()).map(|(spec, it)| {
        let cells = match it.kind {
            Kind::Categorical => it.cells().filter(|it| *it <= NAMED).unwrap_or(0),
            _ => 0,
        };
        let choice = |at: u64| match spec.value(at as f64) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        insight::parameter(it, spec.name.clone(), (0..cells).map(choice).collect())
    });
    Landscape {
        id: String::new(),
        name: String::new(),
        parameters: parameters.collect(),
        value: Axis::new("value", ""),
        bounds: None,
        is_minimized: open.minimizes(),
        cost: Some(figures::cost(open, "a trial")),
        subjects: vec![insight::subject("", seen, space, seed, PLACES)],
    }
}

/// Runs it.
///
/// # Errors
///
/// If the journal is none, or has no trial with a value.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let open = Open::read(&args.journal).map_err(Failure::bad_input)?;
    let insight = Insight::of(&open);
    let enough = || -> anyhow::Result<()> {
        ensure!(
            !insight.trials.is_empty(),
            "`{}` has no trial with a value yet; tell some first",
            args.journal.display(),
        );
        Ok(())
    };
    enough().map_err(Failure::bad_input)?;
    if let Some(folder) = &args.svg {
        figures::write(&open, &insight, folder).map_err(Failure::run_time)?;
    }
    if args.json {
        return output::print_json(&data(&open, &insight));
    }
    for line in lines(&open, &insight) {
        output::print(&line);
    }
    Ok(())
}

fn data(open: &Open, insight: &Insight) -> Value {
    let name = |at: usize| &open.spec.space[at].name;
    let alone = insight.importance().into_iter().flat_map(|it| it.alone.iter().enumerate());
    let alone = alone.map(|(at, share)| {
        json!({ "parameter": name(at), "share": share.mean, "deviation": share.deviation })
    });
    let pairs = insight.importance().into_iter().flat_map(|it| &it.pairs);
    let pairs = pairs.map(|(a, b, share)| {
        json!({ "parameters": [name(*a), name(*b)], "share": share.mean, "deviation": share.deviation })
    });
    let dependence = insight.subject().into_iter().flat_map(|it| it.dependence.iter().enumerate()).map(|(at, it)| {
        let values: Vec<Value> =
            it.at.iter().map(|value| open.spec.space[at].value(*value)).collect();
        json!({ "parameter": name(at), "at": values, "mean": it.mean, "deviation": it.deviation })
    });
    let coordinates = insight.trials.iter().map(|it| {
        json!({
            "trial": it.trial,
            "params": open.named(&it.parameters),
            "places": open.space().places(&it.parameters),
            "values": it.values,
        })
    });
    let history = insight.progress.iter().map(
        |it| json!({ "trial": it.number, "value": it.value, "best": it.best, "cost": it.cost }),
    );
    json!({
        "schema": "wattlab.tune-show/1",
        "importance": alone.collect::<Vec<_>>(),
        "interactions": pairs.collect::<Vec<_>>(),
        "partial_dependence": dependence.collect::<Vec<_>>(),
        "parallel_coordinates": coordinates.collect::<Vec<_>>(),
        "history": history.collect::<Vec<_>>(),
        // Why nothing is said about the parameters, if so.
        "silence": insight.subject().and_then(|it| it.silence.as_deref()),
    })
}

fn lines(open: &Open, insight: &Insight) -> Vec<String> {
    let mut lines = Vec::new();
    let failed = insight.progress.iter().filter(|it| it.value.is_none()).count();
    lines.push(format!("{} trials with a value, {failed} without", insight.trials.len()));
    if let Ok(best) = open.best() {
        lines.push(format!("best: {}", open.shown_good(&best)));
    }
    let Some(importance) = insight.importance() else {
        lines.extend(insight.landscape.in_words());
        return lines;
    };
    lines.push("share of the variance over the space (fANOVA):".to_owned());
    let shares = insight.landscape.ranked(importance);
    lines.extend(shares.iter().take(10).map(|(name, share)| {
        format!("  {:5.1} % ± {:4.1}  {name}", 100.0 * share.mean, 100.0 * share.deviation)
    }));
    lines
}
