//! `--runs`: one command several times.

use std::{fmt::Write as _, time::Duration};

use meter::Idle;
use record::{Energy, Warning};
use serde_json::{Value, json};

use super::{
    child::MeasuredCommand,
    compare::doubts,
    gathered::gathered,
    grid::{Grid, Weighed},
    program::Program,
    repeat::{Session, Stop},
    result::{
        carbon_json, carbon_text, domain, domains_text, figures, idle_json, idle_text, merge,
        warnings_text,
    },
    summary::{Summary, mean},
};
use crate::progress;

/// The finished runs of a command.
pub(super) struct Runs {
    pub(super) runs: Vec<MeasuredCommand>,
    pub(super) summary: Summary,
    idle: Option<Idle>,
    carbon: Weighed,
    warnings: Vec<Warning>,
    /// The exit code of the run that ended the others.
    failed: Option<i32>,
}

impl Runs {
    /// Runs the command; also returns why it stopped early, if it did.
    pub(super) fn measure(
        session: &mut Session<'_>,
        program: &Program,
        (warmup, wanted): (u32, u32),
        idle: Option<Idle>,
        grid: &Grid,
    ) -> (Self, Option<Stop>) {
        let mut runs = Vec::new();
        let mut stop = session.warm_up(program, warmup).err();
        while stop.is_none() && runs.len() < wanted as usize {
            match session.measure(program) {
                Ok(measured) => {
                    progress::line(&line(runs.len() + 1, wanted, &measured));
                    runs.push(measured);
                }
                Err(why) => stop = Some(why),
            }
        }
        let summary = Summary::of(&runs);
        let carbon = carbon(grid, summary.total, &runs);
        let mut warnings =
            gathered(runs.iter().map(|run: &MeasuredCommand| run.report.warnings.as_slice()));
        if let Some(totals) = totals(&runs) {
            warnings.extend(doubts("the command", &totals));
        }
        warnings.extend(session.warnings());
        warnings.extend(carbon.warning.clone());
        warnings.extend(stop.as_ref().and_then(Stop::warning));
        let failed = match &stop {
            Some(Stop::Command(measured)) => Some(measured.code()),
            _ => None,
        };
        (Self { runs, summary, idle, carbon, warnings, failed }, stop)
    }

    /// The document: the fields of one run with means in them, the mean with its interval, and all runs.
    pub(super) fn json(&self, command: &[String]) -> Value {
        let seconds = record::Seconds(self.summary.seconds.map_or(0.0, |seconds| seconds.mean));
        let mut document = json!({ "schema": "wattlab.measure/1", "command": command });
        // Fields of which there is no mean are those of the last run.
        if let Some(last) = self.runs.last() {
            merge(&mut document, figures(last));
        }
        let domains = self.summary.domains.iter();
        merge(
            &mut document,
            json!({
                "duration_s": self.summary.seconds.map(|seconds| seconds.mean),
                "total": self.summary.total,
                "domains": domains.map(|energy| domain(energy, seconds)).collect::<Vec<_>>(),
                "mean": self.summary.json(),
                "idle": idle_json(self.idle.as_ref(), self.above()),
                "carbon": carbon_json(self.carbon.carbon.as_ref()),
                "runs": self.runs.iter().map(figures).collect::<Vec<_>>(),
                "warnings": self.warnings,
            }),
        );
        if let Some(code) = self.failed {
            document["exit_code"] = json!(code);
        }
        document
    }

    /// The text for people.
    pub(super) fn text(&self) -> String {
        let (Some(seconds), Some(last)) = (self.summary.seconds, self.runs.last()) else {
            return format!("no run finished\n{}", warnings_text(&self.warnings));
        };
        let spread =
            seconds.deviation.map_or(String::new(), |spread| format!(" (spread {spread:.3} s)"));
        let mut text = format!(
            "mean of {} runs: {:.3} s{spread}, exit code {}\n",
            self.runs.len(),
            seconds.mean,
            last.code()
        );
        text.push_str(&domains_text(&self.summary.domains));
        match (&self.summary.total, &self.summary.joules) {
            (Some(total), Some(joules)) => {
                let _ = write!(text, "  total        {total}");
                if let Some(deviation) = joules.deviation {
                    let _ = write!(
                        text,
                        " (spread {deviation:.3} J, {:.3} J to {:.3} J)",
                        joules.low, joules.high
                    );
                }
                text.push('\n');
            }
            _ => text.push_str("  total        absent\n"),
        }
        if let Some(idle) = &self.idle {
            text.push_str(&idle_text(idle, self.above()));
        }
        text.push_str(&carbon_text(self.carbon.carbon.as_ref()));
        text.push_str(&warnings_text(&self.warnings));
        text
    }

    /// The carbon of one of the runs.
    pub(super) fn carbon_of(grid: &Grid, run: &MeasuredCommand) -> Weighed {
        grid.weigh(run.report.total, Duration::from_secs_f64(run.report.duration.0), run.ended)
    }

    /// The mean energy above idle; `None` if idle power or an energy is not known.
    fn above(&self) -> Option<Energy> {
        let idle = self.idle?;
        let above: Option<Vec<Energy>> =
            self.runs.iter().map(|run| idle.above(&run.report)).collect();
        mean(&above?)
    }
}

/// The energy of each run; `None` if one has none.
fn totals(runs: &[MeasuredCommand]) -> Option<Vec<f64>> {
    runs.iter().map(|run| run.report.total.map(|total| total.joules.0)).collect()
}

/// The carbon of the mean energy, over the time from the first run's start to the last one's end.
fn carbon(grid: &Grid, total: Option<Energy>, runs: &[MeasuredCommand]) -> Weighed {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else {
        return Weighed { carbon: None, warning: None };
    };
    let between = last.ended.duration_since(first.ended).unwrap_or_default();
    let length = between + Duration::from_secs_f64(first.report.duration.0);
    grid.weigh(total, length, last.ended)
}

fn line(number: usize, wanted: u32, measured: &MeasuredCommand) -> String {
    let energy =
        measured.report.total.map_or("energy absent".to_owned(), |total| total.to_string());
    format!("run {number} of {wanted}: {:.3} s, {energy}", measured.report.duration.0)
}
