//! What `wattlab tune run` shows of a study: a line per segment, and a table or a document at the end.

use hpo::Segment;
use serde_json::{Value, json};
use tuner::OpenStudy;

use super::trial::{EndedSegment, Metrics, shown};

/// What is shown of a segment that ended.
pub(super) fn line(study: &OpenStudy, segment: &Segment, ended: &EndedSegment) -> String {
    let given = match &ended.metrics {
        Metrics::Failed => "failed".to_owned(),
        Metrics::Nothing => "no value".to_owned(),
        Metrics::Values { last, .. } => shown(last),
    };
    let origin = ended.spent.origin.map_or("", record::Origin::word);
    let joules = ended.spent.joules;
    let joules = joules.map_or_else(String::new, |joules| format!(", {joules:.1} J {origin}"));
    let until = if study.is_pruned() { format!(", step {}", segment.until) } else { String::new() };
    format!(
        "trial {}{until}: {given} in {:.2} s{joules} with {}",
        segment.number,
        ended.spent.seconds,
        parameters(study, &segment.parameters)
    )
}

fn parameters(study: &OpenStudy, parameters: &[f64]) -> String {
    let named = study.named(parameters);
    named.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// The document of `--json`.
pub(super) fn json(study: &OpenStudy, ended: &str) -> Value {
    let best: Vec<Value> = study.pareto().iter().map(|trial| study.trial_json(trial)).collect();
    let (trials, search) = (study.spent_by_trials(), study.spent_by_search());
    json!({
        "schema": "wattlab.tune/1",
        "legs": study.told(),
        "ended": ended,
        "best": best,
        "trials": trials,
        "search": search,
    })
}

/// The table at the end: the best trials with their values and costs, and what the study took.
pub(super) fn table(study: &OpenStudy, metrics: &[String]) -> Vec<String> {
    let mut rows = vec![vec!["trial".to_owned()]];
    rows[0].extend(metrics.iter().cloned());
    rows[0].extend(["seconds", "joules", "parameters"].map(str::to_owned));
    for trial in study.pareto() {
        let spent = study.spent_on(trial.number);
        let mut row = vec![trial.number.to_string()];
        let values = study.values_of(trial).unwrap_or_default();
        row.extend(values.iter().map(|value| format!("{value:.6}")));
        row.push(format!("{:.2}", spent.seconds));
        row.push(spent.joules.map_or_else(|| "-".to_owned(), |joules| format!("{joules:.1}")));
        row.push(parameters(study, &trial.parameters));
        rows.push(row);
    }
    let title =
        if study.has_several_objectives() { "the Pareto front:" } else { "the best trial:" };
    let mut lines = vec![title.to_owned()];
    if rows.len() == 1 {
        lines[0] = "no trial was completed within the limits".to_owned();
    } else {
        lines.extend(aligned(&rows));
    }
    for (what, spent) in [("trials", study.spent_by_trials()), ("search", study.spent_by_search())]
    {
        let origin = spent.origin.map_or("", record::Origin::word);
        let joules = spent.joules.map(|joules| format!(", {joules:.1} J {origin}"));
        lines.push(format!("{what}: {:.2} s{}", spent.seconds, joules.unwrap_or_default()));
    }
    lines
}

/// Rows with each column as wide as its widest cell.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| Some(row.get(column)?.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let cell = |(cell, width): (&String, &usize)| format!("{cell:<width$}");
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(cell).collect();
        format!("  {}", cells.join("  ")).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}
