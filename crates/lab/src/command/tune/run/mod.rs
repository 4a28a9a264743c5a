//! `wattlab tune run SPACE.toml -- CMD`: runs a command once per trial, measures its energy and reads
//! its metrics.

mod metric;
mod trial;

use std::{ffi::OsString, path::PathBuf};

use anyhow::anyhow;
use hpo::{HpoError, Segment};
use meter::{Estimator, Meter};
use serde_json::{Value, json};
use tuner::{Budget, CommandStudy, OpenStudy, TunerError};

use self::trial::Metrics;
use super::spent::spent;
use crate::{Failure, interrupt::Interrupt, output, progress, sensing::Sensing};

/// Arguments of `wattlab tune run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Description of the study: metric, direction, budget, sampler and space (see
    /// `examples/tune.toml`).
    #[arg(value_name = "SPACE.toml")]
    space: PathBuf,
    /// Keep the study in this file; if the file exists, the study goes on where it ended.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document on standard output at the end.
    #[arg(long)]
    json: bool,
    /// The command and its arguments. `{NAME}` is replaced by the value of a parameter, which is also in
    /// the environment variable `WATTLAB_NAME`.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the subcommand.
///
/// # Errors
///
/// If the description, the journal or the command cannot be used, or Ctrl-C was pressed. Trials that
/// were finished are in the journal.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut description = CommandStudy::load(&args.space).map_err(Failure::bad_input)?;
    description.study.journal.clone_from(&args.journal);
    description.study.budget_j = description.budget.joules();
    description.study.budget_s = description.budget.seconds();
    let mut study = OpenStudy::new(description.study.clone()).map_err(Failure::bad_input)?;
    if let Some(bytes) = study.removed_line() {
        progress::line(&format!("journal: removed an unfinished last line of {bytes} bytes"));
    }
    trial::check(&args.command, &description).map_err(Failure::bad_input)?;
    let builder = args.sensing.builder()?.attribute();
    // The CPU time of a command includes that of the processes it starts.
    let builder = builder.estimator(Estimator::for_this_processor().with_children());
    let meter = builder.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;

    let mut left = study.running();
    let ended = loop {
        if let Some(why) = description.budget.used_up(&study) {
            break why;
        }
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        // Segments that a kill interrupted come first.
        let segment = if left.is_empty() {
            match ask(&mut study, &meter, &description.budget)? {
                Next::Segment(segment) => segment,
                Next::End(why) => break why,
            }
        } else {
            left.remove(0)
        };
        let ended = trial::run(&args.command, &description, &study, &segment, &meter)?;
        if interrupt.is_set() && ended.metrics == Metrics::Failed {
            // The same Ctrl-C ended the command; the trial will run again.
            return Err(Failure::Interrupted);
        }
        tell(&mut study, &segment, &ended).map_err(Failure::run_time)?;
        progress::line(&line(&study, &segment, &ended));
        // Without measured joules the budget would never be used up.
        if description.budget.joules().is_some() && ended.spent.joules.is_none() {
            return Err(Failure::run_time(anyhow!(
                "`budget` limits energy, and no probe measures the energy of a trial here; see \
                 `wattlab probes`, or give `seconds` or `trials` (the trial is in the journal)"
            )));
        }
    };
    progress::line(&ended);
    let summary = summary(&study, &ended);
    if args.json {
        output::print_json(&summary)?;
    } else {
        progress::line(&format!("{summary:#}"));
    }
    if study.told() > 0 && !study.has_values() {
        return Err(Failure::run_time(anyhow!(
            "none of {} trials gave `{}`: run the command by hand with the parameters of one trial",
            study.trials().count(),
            description.metrics.join("`, `"),
        )));
    }
    Ok(())
}

/// What to do next.
enum Next {
    /// Run this segment.
    Segment(Segment),
    /// End the study, for this reason.
    End(String),
}

/// Asks for the next segment. The energy of the search itself is charged to the study.
fn ask(study: &mut OpenStudy, meter: &Meter, budget: &Budget) -> Result<Next, Failure> {
    let span = meter.span("ask");
    let next = match budget.not_worth_it(study) {
        Ok(Some(why)) => Ok(Next::End(why)),
        Ok(None) => study.ask().map(Next::Segment),
        Err(error) => Err(error),
    };
    let spent = spent(&span.end());
    let next = match next {
        Err(TunerError::Study(error @ HpoError::GridExhausted { .. })) => {
            Next::End(error.to_string())
        }
        other => other.map_err(Failure::run_time)?,
    };
    study.add_spent(None, spent).map_err(Failure::run_time)?;
    Ok(next)
}

/// Tells the study what a segment gave and cost.
fn tell(
    study: &mut OpenStudy,
    segment: &Segment,
    ended: &trial::EndedSegment,
) -> Result<(), TunerError> {
    let Segment { number, from, until, .. } = *segment;
    study.add_spent(Some(number), ended.spent)?;
    match &ended.metrics {
        Metrics::Failed => study.tell(number, &Value::Null, None),
        Metrics::Rows(rows) => {
            // A row for each step, or one for the last.
            let steps = (until - from) as usize;
            if study.is_pruned() && steps > 1 && rows.len() == steps {
                for (step, row) in (from + 1..).zip(&rows[..steps - 1]) {
                    study.report(number, step, &json!(row), None)?;
                }
            }
            let last = rows.last().map_or(Value::Null, |row| json!(row));
            study.tell(number, &last, None)
        }
    }
}

/// What is shown of a segment that ended.
fn line(study: &OpenStudy, segment: &Segment, ended: &trial::EndedSegment) -> String {
    let parameters = study.named(&segment.parameters);
    let parameters: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let given = match &ended.metrics {
        Metrics::Failed => "failed".to_owned(),
        Metrics::Rows(rows) => {
            let last = rows.last().into_iter().flatten();
            last.map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(", ")
        }
    };
    let origin = ended.spent.origin.map_or("", record::Origin::word);
    let joules = ended.spent.joules;
    let joules = joules.map_or_else(String::new, |joules| format!(", {joules:.1} J {origin}"));
    let until = if study.is_pruned() { format!(", step {}", segment.until) } else { String::new() };
    format!(
        "trial {}{until}: {given} in {:.2} s{joules} with {}",
        segment.number,
        ended.spent.seconds,
        parameters.join(" ")
    )
}

/// The document of `--json`.
fn summary(study: &OpenStudy, ended: &str) -> Value {
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
