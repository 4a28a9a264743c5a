//! Runs trials until a study ends.

use std::{thread, time::Duration};

use hpo::{HpoError, Segment};
use serde_json::{Value, json};
use tuner::{OpenStudy, TunerError};

use super::{
    bounds::{limit, no_joules, out_of_seconds},
    desk::Desk,
    live,
    process::Ended,
    shared::{self, Leases},
    summary,
    trial::{EndedSegment, Metrics, Runner},
};
use crate::{Failure, progress};

/// How long a worker without a trial waits before it asks again: at first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Runs trials until the study ends, and says why it does.
///
/// # Errors
///
/// If the journal or the command cannot be used, or somebody interrupts.
pub(super) fn work(desk: &mut Desk<'_>, runner: &Runner<'_>) -> Result<String, Failure> {
    let interrupt = runner.interrupt;
    let mut pause = WAIT.0;
    loop {
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        let next = desk.change(|study, leases| next(study, leases, runner))?;
        match next {
            Next::Segment(segment) => {
                pause = WAIT.0;
                let run = if runner.description.stays_running { live::run } else { run_segment };
                if let Some(why) = run(desk, runner, segment)? {
                    return Ok(why);
                }
            }
            // A trial that others run may let another one go on, or come back if its worker dies.
            Next::Wait => {
                thread::sleep(pause);
                pause = pause.mul_f64(1.5).min(WAIT.1);
            }
            Next::End(why) => return Ok(why),
        }
    }
}

/// What a worker does after it has run a segment.
enum After {
    /// Nothing more: the result was recorded, or another worker has taken the trial over. The text says which.
    Done(String),
    /// The command runs again for the same segment.
    Again,
    /// The command goes on with a longer segment.
    Longer(Segment),
    /// The study ends, for this reason.
    End(String),
}

/// Runs a segment with its retries and tells the study what it gave. Returns why the study ends, if it
/// does.
fn run_segment(
    desk: &mut Desk<'_>,
    runner: &Runner<'_>,
    mut segment: Segment,
) -> Result<Option<String>, Failure> {
    let interrupt = runner.interrupt;
    let (number, mut retries) = (segment.number, runner.description.retries);
    let mut trained = segment.from;
    loop {
        let (limit, is_of_budget) = limit(runner, desk.study());
        let part = Segment { from: trained, ..segment.clone() };
        let ended = runner.run(desk.study(), &part, limit)?;
        for note in &ended.notes {
            progress::line(&format!("trial {number}: {note}"));
        }
        if ended.ended == Ended::Interrupted
            || (interrupt.is_set() && ended.metrics == Metrics::Failed)
        {
            // The trial will run again.
            desk.leases()
                .map_or(Ok(()), |leases| leases.release(number))
                .map_err(Failure::run_time)?;
            return Err(Failure::Interrupted);
        }
        let after = desk.change(|study, leases| {
            if leases.is_some_and(|leases| !leases.owns(number)) {
                let text = "another worker took it over, so this result is left out";
                return Ok(After::Done(format!("trial {number}: {text}")));
            }
            let after = close(study, runner, &segment, &ended, retries, is_of_budget);
            // The lease ends with the segment, also if it could not be told.
            if let (Some(leases), Ok(After::Done(_) | After::End(_)) | Err(_)) = (leases, &after) {
                leases.release(number).map_err(Failure::run_time)?;
            }
            after
        })?;
        match after {
            After::Done(text) => {
                progress::line(&text);
                return Ok(None);
            }
            After::End(why) => return Ok(Some(why)),
            After::Longer(longer) => (trained, segment) = (segment.until, longer),
            After::Again => {
                progress::line(&format!("trial {number}: {retries} retries are left"));
                retries -= 1;
            }
        }
    }
}

/// Writes down what a run of the command cost and gave.
fn close(
    study: &mut OpenStudy,
    runner: &Runner<'_>,
    segment: &Segment,
    ended: &EndedSegment,
    retries: u32,
    is_of_budget: bool,
) -> Result<After, Failure> {
    let (number, budget) = (segment.number, &runner.description.budget);
    study.add_spent(Some(number), ended.spent).map_err(Failure::run_time)?;
    if ended.ended == Ended::TimedOut && is_of_budget {
        return Ok(After::End(out_of_seconds(number)));
    }
    // Without measured joules the budget would never be used up.
    let unmeasured = budget.joules().is_some() && ended.spent.joules.is_none();
    let failed_itself = matches!(ended.ended, Ended::Itself(status) if !status.success());
    if failed_itself && retries > 0 && !unmeasured {
        return Ok(After::Again);
    }
    if ended.metrics == Metrics::Nothing
        && let Some(longer) = next_report(study, segment).map_err(Failure::run_time)?
    {
        return Ok(After::Longer(longer));
    }
    tell(study, segment, &ended.metrics).map_err(Failure::run_time)?;
    let text = summary::line(study, segment, ended);
    if unmeasured {
        progress::line(&text);
        return Err(no_joules());
    }
    Ok(After::Done(text))
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
    /// Ask again later.
    Wait,
    /// End the study, for this reason.
    End(String),
}

/// The next segment: one that was interrupted, or a new one. The energy of the search itself is charged
/// to the study.
fn next(
    study: &mut OpenStudy,
    leases: Option<&Leases>,
    runner: &Runner<'_>,
) -> Result<Next, Failure> {
    let budget = &runner.description.budget;
    if let Some(why) = budget.used_up(study).or_else(|| budget.good_enough(study)) {
        return Ok(Next::End(why));
    }
    let interrupted = match leases {
        Some(leases) => shared::orphan(study, leases)?,
        None => study.running().into_iter().next(),
    };
    if let Some(segment) = interrupted {
        return Ok(Next::Segment(segment));
    }
    let span = runner.meter.span("ask");
    let end = match budget.no_more_trials(study) {
        Some(why) => Ok(Some(why)),
        None => budget.not_worth_it(study),
    };
    let next = match end {
        Ok(Some(why)) => Ok(Next::End(why)),
        Ok(None) => study.ask().map(Next::Segment),
        Err(error) => Err(error),
    };
    let spent = runner.spent(&span.end());
    let next = match next {
        Err(TunerError::Study(
            error @ (HpoError::GridExhausted { .. } | HpoError::SpaceExhausted { .. }),
        )) => Next::End(error.to_string()),
        other => other.map_err(Failure::run_time)?,
    };
    if let (Some(leases), Next::Segment(segment)) = (leases, &next) {
        shared::lease(leases, segment)?;
    }
    if let (Some(leases), Next::End(_)) = (leases, &next)
        && shared::others_run(study, leases)?
    {
        return Ok(Next::Wait);
    }
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
