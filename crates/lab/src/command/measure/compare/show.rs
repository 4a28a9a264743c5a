//! A comparison as text and as JSON.

use std::fmt::Write as _;

use record::Origin;
use serde_json::{Value, json};

use super::{Comparison, ratio::Ratio};
use crate::command::measure::{
    result::{domain, domains_text, warnings_text},
    summary::Summary,
};

impl Comparison {
    /// The document of `wattlab measure --compare --json`.
    pub(in super::super) fn json(&self) -> Value {
        let [a, b] = [0, 1].map(|at| self.side(at));
        json!({
            "schema": "wattlab.compare/1",
            "a": a,
            "b": b,
            "ratio": self.energy.map(|ratio| ratio.ratio),
            "origin": self.origin(),
            "ci95": self.energy.and_then(|ratio| ratio.ci95),
            "different": self.energy.and_then(|ratio| ratio.is_different()),
            "time_ratio": self.time.map(|ratio| ratio.ratio),
            "time_ci95": self.time.and_then(|ratio| ratio.ci95),
            "rounds": self.first.len(),
            "stopped": self.end.word(),
            "precision": self.limits.precision,
            "seed": self.seed,
            "warnings": self.warnings,
        })
    }

    /// One of the commands: its figures, and every run with its place in the round.
    fn side(&self, at: usize) -> Value {
        let summary = &self.summaries[at];
        let seconds = record::Seconds(summary.seconds.map_or(0.0, |seconds| seconds.mean));
        let runs = self.runs[at].iter().zip(&self.first).map(|(run, first)| {
            let total = run.report.total;
            json!({
                "joules": total.map(|total| total.joules),
                "uncertainty_j": total.map(|total| total.uncertainty),
                "origin": total.map(|total| total.origin),
                "duration_s": run.report.duration,
                "exit_code": run.code(),
                "first": *first == at,
            })
        });
        let domains = summary.domains.iter().map(|energy| domain(energy, seconds));
        json!({
            "command": self.names[at],
            "total": summary.total,
            "mean": summary.json(),
            "duration_s": summary.seconds.map(|seconds| seconds.mean),
            "domains": domains.collect::<Vec<_>>(),
            "runs": runs.collect::<Vec<_>>(),
        })
    }

    /// The state after a round, for people who wait.
    pub(super) fn line(&self) -> String {
        format!("round {}: A / B = {}", self.first.len(), number(self.energy))
    }

    /// The text for people.
    pub(in super::super) fn text(&self) -> String {
        let mut text = String::new();
        for (at, name) in ["A", "B"].into_iter().enumerate() {
            let summary = &self.summaries[at];
            let _ = writeln!(text, "{name}: {}", self.names[at]);
            text.push_str(&domains_text(&summary.domains));
            let _ = writeln!(text, "  {}", mean_text(summary));
        }
        let rounds = match self.first.len() {
            1 => "1 round".to_owned(),
            rounds => format!("{rounds} rounds"),
        };
        let origin = self.origin().map_or(String::new(), |origin| format!(", {}", origin.word()));
        let _ = writeln!(text, "energy of A / B: {}{origin}, after {rounds}", number(self.energy));
        let _ = writeln!(text, "time of A / B:   {}", number(self.time));
        let _ = writeln!(text, "{}", self.verdict());
        text.push_str(&warnings_text(&self.warnings));
        text
    }

    /// Where the joules of both commands come from; `None` without energies.
    fn origin(&self) -> Option<Origin> {
        let totals = self.summaries.iter().filter_map(|summary| summary.total);
        totals.map(|total| total.origin).reduce(Origin::and)
    }

    fn verdict(&self) -> String {
        let Some((ratio, [low, high])) = self.energy.and_then(|of| Some((of, of.ci95?))) else {
            return "too few rounds have finished to say whether A and B differ".to_owned();
        };
        let percent = |share: f64| (share - 1.0).abs() * 100.0;
        let (near, far) = if percent(low) < percent(high) { (low, high) } else { (high, low) };
        match ratio.is_different() {
            Some(true) => {
                let word = if ratio.ratio > 1.0 { "more" } else { "less" };
                let origin = self.origin().map_or("unknown", Origin::word);
                format!(
                    "A uses {:.2} % {word} energy than B (95 % interval: {:.2} % to {:.2} %; {origin} \
                     energies)",
                    percent(ratio.ratio),
                    percent(near),
                    percent(far)
                )
            }
            _ => format!(
                "no difference was found; one of more than {:.2} % is ruled out",
                percent(far)
            ),
        }
    }
}

/// A ratio with its interval.
fn number(ratio: Option<Ratio>) -> String {
    match ratio {
        None => "unknown".to_owned(),
        Some(Ratio { ratio, ci95: None }) => format!("{ratio:.4}"),
        Some(Ratio { ratio, ci95: Some([low, high]) }) => {
            format!("{ratio:.4} (95 %: {low:.4} to {high:.4})")
        }
    }
}

fn mean_text(summary: &Summary) -> String {
    let (Some(seconds), runs) = (summary.seconds, summary.runs) else {
        return "no run finished".to_owned();
    };
    let energy = summary.total.map_or("absent".to_owned(), |total| total.to_string());
    format!("mean of {runs} runs: {energy}, {:.3} s", seconds.mean)
}
