//! `wattlab tune run SPACE.toml -- CMD`: runs a command once per trial, measures its energy and reads
//! its metrics.

mod lines;
mod metric;
mod number;
mod process;
mod series;
mod summary;
mod trial;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use anyhow::{Context, anyhow};
use hpo::{HpoError, Segment};
use meter::{Estimator, Meter};
use serde_json::{Value, json};
use tuner::{Budget, CommandStudy, OpenStudy, TunerError};

use self::{
    process::Ended,
    trial::{Metrics, Runner},
};
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
    let study = OpenStudy::new(description.study.clone()).map_err(Failure::bad_input)?;
    let mut study = study.without_repeats();
    if let Some(bytes) = study.removed_line() {
        progress::line(&format!("journal: removed an unfinished last line of {bytes} bytes"));
    }
    trial::check(&args.command, &description).map_err(Failure::bad_input)?;
    let builder = args.sensing.builder()?.attribute();
    // The CPU time of a command includes that of the processes it starts.
    let builder = builder.estimator(Estimator::for_this_processor().with_children());
    let meter = builder.start().map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;

    if study.left_out() > 0 {
        progress::line(&format!(
            "journal: {} trials are not in the space as it is now and are left out",
            study.left_out()
        ));
    }
    if study.started() == 0 && study.queued() == 0 {
        for params in &description.enqueue {
            let params = params.clone();
            study.enqueue(params).context("`enqueue`").map_err(Failure::bad_input)?;
        }
    }
    let runner = Runner {
        command: &args.command,
        description: &description,
        meter: &meter,
        interrupt: &interrupt,
    };
    let ended = work(&mut study, &runner)?;
    progress::line(&ended);
    if args.json {
        output::print_json(&summary::json(&study, &ended))?;
    } else {
        summary::table(&study, &description.metrics).iter().for_each(|line| output::print(line));
    }
    if study.told() > 0 && !study.has_values() {
        return Err(Failure::run_time(anyhow!(
            "none of {} trials gave `{}`: run the command by hand with the parameters of one trial \
             (standard output and standard error are read)",
            study.trials().count(),
            description.metrics.join("`, `"),
        )));
    }
    Ok(())
}

/// Runs trials until the study ends, and says why it does.
fn work(study: &mut OpenStudy, runner: &Runner<'_>) -> Result<String, Failure> {
    let Runner { description, meter, interrupt, .. } = runner;
    let budget = &description.budget;
    let mut left = study.running();
    loop {
        if let Some(why) = budget.used_up(study).or_else(|| budget.good_enough(study)) {
            return Ok(why);
        }
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        // Segments that a kill interrupted come first.
        let segment = if left.is_empty() {
            match ask(study, meter, budget)? {
                Next::Segment(segment) => segment,
                Next::End(why) => return Ok(why),
            }
        } else {
            left.remove(0)
        };
        if let Some(why) = run_segment(study, runner, segment)? {
            return Ok(why);
        }
    }
}

/// Runs a segment with its retries and tells the study what it gave. Returns why the study ends, if it
/// does.
fn run_segment(
    study: &mut OpenStudy,
    runner: &Runner<'_>,
    mut segment: Segment,
) -> Result<Option<String>, Failure> {
    let Runner { description, interrupt, .. } = runner;
    let (number, mut retries) = (segment.number, description.retries);
    let mut trained = segment.from;
    loop {
        let own = description.trial_timeout_s.map(Duration::from_secs_f64);
        let left = description.budget.seconds_left(study).map(Duration::from_secs_f64);
        let limit = own.into_iter().chain(left).min();
        let part = Segment { from: trained, ..segment.clone() };
        let ended = runner.run(study, &part, limit)?;
        for note in &ended.notes {
            progress::line(&format!("trial {number}: {note}"));
        }
        if ended.ended == Ended::Interrupted
            || (interrupt.is_set() && ended.metrics == Metrics::Failed)
        {
            // The trial will run again.
            return Err(Failure::Interrupted);
        }
        study.add_spent(Some(number), ended.spent).map_err(Failure::run_time)?;
        let is_of_budget = left.is_some() && left == limit && own != limit;
        if ended.ended == Ended::TimedOut && is_of_budget {
            return Ok(Some(format!(
                "the budget's seconds are used up; trial {number} was ended, and runs again if the \
                 study goes on with a larger budget"
            )));
        }
        // Without measured joules the budget would never be used up.
        let unmeasured = description.budget.joules().is_some() && ended.spent.joules.is_none();
        let failed_itself = matches!(ended.ended, Ended::Itself(status) if !status.success());
        if failed_itself && retries > 0 && !unmeasured {
            progress::line(&format!("trial {number}: {retries} retries are left"));
            retries -= 1;
            continue;
        }
        if ended.metrics == Metrics::Nothing
            && let Some(longer) = next_report(study, &segment).map_err(Failure::run_time)?
        {
            (trained, segment) = (segment.until, longer);
            continue;
        }
        tell(study, &segment, &ended.metrics).map_err(Failure::run_time)?;
        progress::line(&summary::line(study, &segment, &ended));
        if unmeasured {
            return Err(Failure::run_time(anyhow!(
                "`budget` limits energy, and no probe measures the energy of a trial here; see \
                 `wattlab probes`, or give `seconds` or `trials` (the trial is in the journal)"
            )));
        }
        return Ok(None);
    }
}

/// The segment, made longer, of a trial that has given no value at all yet: the next epochs may give
/// one. `None` if the trial has values, or there is no next step.
fn next_report(study: &mut OpenStudy, segment: &Segment) -> Result<Option<Segment>, TunerError> {
    if !study.is_pruned() || segment.from > 0 {
        return Ok(None);
    }
    study.extend(segment.number)
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
    let end = match budget.no_more_trials(study) {
        Some(why) => Ok(Some(why)),
        None => budget.not_worth_it(study),
    };
    let next = match end {
        Ok(Some(why)) => Ok(Next::End(why)),
        Ok(None) => study.ask().map(Next::Segment),
        Err(error) => Err(error),
    };
    let spent = spent(&span.end());
    let next = match next {
        Err(TunerError::Study(
            error @ (HpoError::GridExhausted { .. } | HpoError::SpaceExhausted { .. }),
        )) => Next::End(error.to_string()),
        other => other.map_err(Failure::run_time)?,
    };
    study.add_spent(None, spent).map_err(Failure::run_time)?;
    Ok(next)
}

/// Tells the study what a segment gave.
fn tell(study: &mut OpenStudy, segment: &Segment, metrics: &Metrics) -> Result<(), TunerError> {
    let number = segment.number;
    match metrics {
        Metrics::Failed => study.tell(number, &Value::Null, None),
        // The metric is printed every few epochs, and none of them was in this segment.
        Metrics::Nothing => {
            let last = study.last_values(number).map_or(Value::Null, |values| json!(values));
            study.tell(number, &last, None)
        }
        Metrics::Values { steps, last } => {
            for (step, row) in steps {
                study.report(number, *step, &json!(row), None)?;
            }
            study.tell(number, &json!(last), None)
        }
    }
}
