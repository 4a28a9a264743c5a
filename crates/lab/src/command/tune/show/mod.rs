//! `wattlab tune show JOURNAL`: what a study has learned, as data and as figures.

mod coordinates;
mod figures;

use std::path::PathBuf;

use anyhow::ensure;
use hpo::{Dependence, Importance, Progress, importance, partial_dependence, progress};
use serde_json::{Value, json};

use super::{engine::Seen, open::Open};
use crate::{Failure, output};

/// Arguments of `wattlab tune show`.
#[derive(Debug, clap::Args)]
pub struct Args {
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
    names: Vec<String>,
    /// Trials with values, in the client's sign.
    trials: Vec<Seen>,
    importance: Option<Importance>,
    dependence: Vec<Dependence>,
    progress: Vec<Progress>,
}

/// Places that a dependence is shown at.
const PLACES: usize = 33;

impl Insight {
    fn of(open: &Open) -> Self {
        let all = open.seen();
        let given = |it: &&Seen| it.values.is_some();
        let trials: Vec<Seen> = all.iter().filter(given).cloned().collect();
        let points: Vec<Vec<f64>> = trials.iter().map(|it| it.parameters.clone()).collect();
        let values: Vec<f64> = trials.iter().filter_map(Seen::first).collect();
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
        let seed = open.spec.seed;
        Self {
            names: open.spec.space.iter().map(|it| it.name.clone()).collect(),
            importance: importance(open.space(), &points, &values, seed),
            dependence: partial_dependence(open.space(), &points, &values, PLACES)
                .unwrap_or_default(),
            progress,
            trials,
        }
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
            insight.trials.len() >= 2,
            "`{}` has {} trials with a value; two are the least that says anything",
            args.journal.display(),
            insight.trials.len()
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
    let name = |at: usize| &insight.names[at];
    let alone = insight.importance.iter().flat_map(|it| it.alone.iter().enumerate());
    let alone = alone.map(|(at, share)| {
        json!({ "parameter": name(at), "share": share.mean, "deviation": share.deviation })
    });
    let pairs = insight.importance.iter().flat_map(|it| &it.pairs);
    let pairs = pairs.map(|(a, b, share)| {
        json!({ "parameters": [name(*a), name(*b)], "share": share.mean, "deviation": share.deviation })
    });
    let dependence = insight.dependence.iter().enumerate().map(|(at, it)| {
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
    })
}

fn lines(open: &Open, insight: &Insight) -> Vec<String> {
    let mut lines = Vec::new();
    let failed = insight.progress.iter().filter(|it| it.value.is_none()).count();
    lines.push(format!("{} trials with a value, {failed} without", insight.trials.len()));
    if let Ok(best) = open.best() {
        lines.push(format!("best: {}", open.shown_good(&best)));
    }
    let Some(importance) = &insight.importance else {
        lines.push("all values are the same: nothing to say about parameters".to_owned());
        return lines;
    };
    lines.push("share of the variance over the space (fANOVA):".to_owned());
    let mut shares: Vec<(String, hpo::Share)> =
        insight.names.iter().cloned().zip(importance.alone.iter().copied()).collect();
    let pair = |(a, b, share): &(usize, usize, hpo::Share)| {
        (format!("{} × {}", insight.names[*a], insight.names[*b]), *share)
    };
    shares.extend(importance.pairs.iter().map(pair));
    shares.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
    lines.extend(shares.iter().take(10).map(|(name, share)| {
        format!("  {:5.1} % ± {:4.1}  {name}", 100.0 * share.mean, 100.0 * share.deviation)
    }));
    lines
}
