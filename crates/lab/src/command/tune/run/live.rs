//! A trial whose command keeps running: it prints its values after each step, and reads whether to go on.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Context;
use hpo::Segment;
use serde_json::{Value, json};
use tuner::{OpenStudy, TunerError};

use super::{
    bounds::{limit, no_joules, out_of_seconds},
    desk::Desk,
    lines::Line,
    process::{self, Answer, Ended, Input, Stream},
    series::Metric,
    summary,
    trial::{EndedSegment, Metrics, Runner},
};
use crate::{Failure, progress};

/// A value per metric; `None` in the place of one that is not finite or not clear as a number.
type Row = Vec<Option<f64>>;

/// Runs the command of a trial until it is stopped or ends, and tells the study the values of each step.
/// Returns why the study ends, if it does.
///
/// # Errors
///
/// If the command cannot be started, the journal cannot be used, or somebody interrupts.
pub(super) fn run(
    desk: &mut Desk<'_>,
    runner: &Runner<'_>,
    segment: Segment,
) -> Result<Option<String>, Failure> {
    let number = segment.number;
    let mut retries = runner.description.retries;
    loop {
        let (limit, is_of_budget) = limit(runner, desk.study());
        let mut live = Live { desk, runner, number, step: 0, known: 0, last: None, end: None };
        live.known = live.steps_told();
        let ended = live.run(&segment, limit.map(|limit| Instant::now() + limit))?;
        let Live { step, known, last, mut end, .. } = live;
        if ended.ended == Ended::Interrupted || (runner.interrupt.is_set() && end.is_none()) {
            desk.leases()
                .map_or(Ok(()), |leases| leases.release(number))
                .map_err(Failure::run_time)?;
            return Err(Failure::Interrupted);
        }
        let failed = matches!(ended.ended, Ended::Itself(status) if !status.success());
        let again = end.is_none() && failed && retries > 0;
        let out_of_time = end.is_none() && ended.ended == Ended::TimedOut && is_of_budget;
        let gave = last.filter(|_| step > known && ended.ended != Ended::TimedOut && !failed);
        let text = desk.change(|study, leases| {
            if leases.is_some_and(|leases| !leases.owns(number)) {
                end = Some(End::Lost);
                let text = "another worker took it over, so this result is left out";
                return Ok(format!("trial {number}: {text}"));
            }
            study.add_spent(Some(number), ended.spent).map_err(Failure::run_time)?;
            if again {
                return Ok(String::new());
            }
            if end.is_none() && !out_of_time {
                close(study, number, gave.as_deref()).map_err(Failure::run_time)?;
            }
            leases.map_or(Ok(()), |leases| leases.release(number)).map_err(Failure::run_time)?;
            Ok(summary::line(study, &Segment { until: step, ..segment.clone() }, &ended))
        })?;
        if end == Some(End::Lost) {
            progress::line(&text);
            return Ok(None);
        }
        if out_of_time {
            return Ok(Some(out_of_seconds(number)));
        }
        if runner.description.budget.joules().is_some() && ended.spent.joules.is_none() {
            return Err(no_joules());
        }
        if !again {
            progress::line(&text);
            return Ok(None);
        }
        progress::line(&format!("trial {number}: {retries} retries are left"));
        retries -= 1;
    }
}

/// Ends a trial whose command ended by itself before the study had decided: its last values stand for
/// the steps that are left. Without values it has failed.
fn close(study: &mut OpenStudy, number: u32, last: Option<&[f64]>) -> Result<(), TunerError> {
    let value = last.map_or(Value::Null, |last| json!(last));
    study.tell(number, &value, None)?;
    while last.is_some() && !study.should_stop(number)? {
        study.tell(number, &value, None)?;
    }
    Ok(())
}

/// How the study ended a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It made its last step, it was stopped, or its last value was none.
    Told,
    /// Another worker has taken it over.
    Lost,
}

/// A trial while its command runs.
struct Live<'d, 'a, 'r> {
    desk: &'d mut Desk<'a>,
    runner: &'r Runner<'r>,
    number: u32,
    /// Steps that this run of the command has made.
    step: u32,
    /// Steps that the study knows from an earlier run, which was interrupted.
    known: u32,
    /// The last values that are numbers.
    last: Option<Vec<f64>>,
    end: Option<End>,
}

impl Live<'_, '_, '_> {
    fn steps_told(&self) -> u32 {
        let mut running = self.desk.study().running().into_iter();
        running.find(|segment| segment.number == self.number).map_or(0, |segment| segment.from)
    }

    /// Runs the command, and gives it an answer after each step.
    fn run(
        &mut self,
        segment: &Segment,
        deadline: Option<Instant>,
    ) -> Result<EndedSegment, Failure> {
        let (runner, description) = (self.runner, self.runner.description);
        let most = description.study.pruner.map_or(1, |pruner| pruner.most);
        // The command trains from its beginning, also after an interruption.
        let whole = Segment { from: 0, until: most, ..segment.clone() };
        let mut command = runner.filled(self.desk.study(), &whole)?;
        // A value that stays in a buffer would never be answered.
        command.env("PYTHONUNBUFFERED", "1");
        let metrics = || description.metrics.iter().map(|name| Metric::new(name)).collect();
        let mut printed: Vec<Metric> = metrics();
        let mut failure = None;
        let take = |stream: Stream, line: Line| {
            if line.replaced || line.too_long {
                return None;
            }
            progress::line(&line.text);
            if stream == Stream::Error || self.end.is_some() || failure.is_some() {
                return None;
            }
            printed.iter_mut().for_each(|metric| metric.take(stream, &line, None));
            let row: Option<Row> = printed.iter().map(Metric::value_alone).collect();
            let row = row?;
            printed = metrics();
            self.answer(&row, most).map_or_else(
                |error| {
                    failure = Some(error);
                    Some(Answer::Stop)
                },
                Some,
            )
        };
        let span = runner.meter.span("trial");
        let ended = process::run(&mut command, Input::Answers, deadline, runner.interrupt, take);
        let spent = runner.spent(&span.end());
        let ended = ended
            .with_context(|| format!("failed to run `{}`", command.get_program().to_string_lossy()))
            .map_err(Failure::bad_input)?;
        failure.map_or(Ok(()), Err)?;
        self.say_how_it_ended(ended, most);
        let metrics = self
            .last
            .clone()
            .map_or(Metrics::Failed, |last| Metrics::Values { steps: BTreeMap::new(), last });
        Ok(EndedSegment { metrics, spent, ended, notes: Vec::new() })
    }

    /// Tells the study a step, and says whether the command goes on.
    fn answer(&mut self, row: &Row, most: u32) -> Result<Answer, Failure> {
        self.step += 1;
        let (number, step) = (self.number, self.step);
        let values: Option<Vec<f64>> = row.iter().copied().collect();
        self.last = values.clone().or(self.last.take());
        if step <= self.known {
            return Ok(Answer::Continue);
        }
        let ends = self.desk.change(|study, leases| {
            if leases.is_some_and(|leases| !leases.owns(number)) {
                return Ok(Some(End::Lost));
            }
            let ends_here = |segment: &Segment| segment.number == number && segment.until == step;
            let told = match &values {
                Some(values) if study.running().iter().any(ends_here) => {
                    study.tell(number, &json!(values), None)
                }
                _ => study.report(number, step, &json!(row), None),
            };
            told.and_then(|()| study.should_stop(number))
                .map(|stops| stops.then_some(End::Told))
                .map_err(Failure::run_time)
        })?;
        self.end = ends;
        Ok(match ends {
            None => Answer::Continue,
            Some(_) if step >= most => Answer::Finish,
            Some(_) => Answer::Stop,
        })
    }

    fn say_how_it_ended(&self, ended: Ended, most: u32) {
        let Self { number, step, .. } = *self;
        let what = match (ended, self.end) {
            (Ended::Stopped, _) => {
                "the command was ended, because it did not end after `stop`".into()
            }
            (Ended::TimedOut, Some(_)) => "the command was ended, because its time was over".into(),
            (Ended::TimedOut, None) => format!(
                "the command was ended in step {}, because its time was over; it must print every metric on \
                 standard output after each step and flush it",
                step + 1
            ),
            (Ended::Itself(status), None) => {
                format!("the command ended with {status} after step {step} of {most}")
            }
            _ => return,
        };
        progress::line(&format!("trial {number}: {what}"));
    }
}
