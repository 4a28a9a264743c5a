//! One segment of a trial: the command with its parameters, under the meter.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hpo::Segment;
use meter::{Meter, SpanReport};
use serde_json::Value;
use tuner::{CommandStudy, OpenStudy, Spent, unknown_key};

use super::{
    process::{self, Ended, Input, Stream},
    series::{Metric, Series, epoch_of},
};
use crate::{
    Failure,
    command::tune::spent::{spent, spent_among_others},
    interrupt::Interrupt,
    progress,
};

/// The values in the output of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Metrics {
    /// The command failed, or did not print every metric, or its last value is not finite.
    Failed,
    /// The command ended well and printed no metric at all.
    Nothing,
    /// A number per objective after some steps, and at the end.
    Values { steps: BTreeMap<u32, Vec<f64>>, last: Vec<f64> },
}

/// A segment that ended.
#[derive(Clone, Debug)]
pub(super) struct EndedSegment {
    pub(super) metrics: Metrics,
    pub(super) spent: Spent,
    pub(super) ended: Ended,
    /// What a person should know about it.
    pub(super) notes: Vec<String>,
}

/// What every run of the command needs.
pub(super) struct Runner<'a> {
    pub(super) command: &'a [OsString],
    pub(super) description: &'a CommandStudy,
    pub(super) meter: &'a Meter,
    pub(super) interrupt: &'a Interrupt,
    /// Whether the meter's sensors also see the work of other workers.
    pub(super) sees_others: bool,
}

impl Runner<'_> {
    /// What a span cost this worker.
    pub(super) fn spent(&self, report: &SpanReport) -> Spent {
        if self.sees_others { spent_among_others(report) } else { spent(report) }
    }

    /// Runs the command for a segment, for at most `limit`. Its output goes to our standard error.
    pub(super) fn run(
        &self,
        study: &OpenStudy,
        segment: &Segment,
        limit: Option<Duration>,
    ) -> Result<EndedSegment, Failure> {
        let mut command = self.filled(study, segment)?;
        let names = &self.description.metrics;
        let mut metrics: Vec<Metric> = names.iter().map(|name| Metric::new(name)).collect();
        let (mut epochs, mut too_long) = ([None; 2], false);
        let span = self.meter.span("trial");
        let deadline = limit.map(|limit| Instant::now() + limit);
        let input = Input::Empty;
        let ended = process::run(&mut command, input, deadline, self.interrupt, |stream, line| {
            let epoch = &mut epochs[usize::from(stream == Stream::Error)];
            *epoch = epoch_of(&line, *epoch);
            metrics.iter_mut().for_each(|metric| metric.take(stream, &line, *epoch));
            too_long |= line.too_long;
            if !line.replaced && !line.too_long {
                progress::line(&line.text);
            }
            None
        });
        let spent = self.spent(&span.end());
        let ended = ended
            .with_context(|| format!("failed to run `{}`", command.get_program().to_string_lossy()))
            .map_err(Failure::bad_input)?;
        let mut notes = Vec::new();
        if too_long {
            notes.push("a line of more than 1 MiB was passed over".to_owned());
        }
        let metrics = match ended {
            Ended::Itself(status) if status.success() => {
                self.metrics(&metrics, study, segment, spent, &mut notes)
            }
            Ended::Itself(status) => {
                notes.push(format!("the command ended with {status}"));
                Metrics::Failed
            }
            Ended::TimedOut => {
                let seconds = limit.unwrap_or_default().as_secs_f64();
                notes.push(format!("the command was ended after {seconds:.1} s"));
                Metrics::Failed
            }
            Ended::Stopped | Ended::Interrupted => Metrics::Failed,
        };
        Ok(EndedSegment { metrics, spent, ended, notes })
    }

    /// The command with its parameters.
    pub(super) fn filled(&self, study: &OpenStudy, segment: &Segment) -> Result<Command, Failure> {
        let parameters = study.named(&segment.parameters).into_iter();
        let mut words: Vec<(String, String)> =
            parameters.map(|(name, value)| (name, word(&value))).collect();
        // Without a pruner there are no steps.
        let until = if study.is_pruned() { segment.until } else { 0 };
        words.push(("trial".to_owned(), segment.number.to_string()));
        words.push(("from".to_owned(), segment.from.to_string()));
        words.push(("until".to_owned(), until.to_string()));
        // What is no text, such as the name of a file in Latin-1, has no names in braces.
        let filled = |word: &OsString| {
            word.to_str().map_or_else(|| word.clone(), |text| fill(text, &words).into())
        };
        let filled: Vec<OsString> = self.command.iter().map(filled).collect();
        let Some((program, arguments)) = filled.split_first() else {
            return Err(Failure::bad_input(anyhow::anyhow!("give a command after `--`")));
        };
        let mut command = Command::new(program);
        command.args(arguments);
        for (name, word) in &words {
            let upper = |character: char| {
                if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' }
            };
            let name: String = name.chars().map(upper).collect();
            command.env(format!("WATTLAB_{name}"), word);
        }
        Ok(command)
    }

    /// The values of all metrics; `joules` and `seconds` are measured if they were not printed.
    fn metrics(
        &self,
        metrics: &[Metric],
        study: &OpenStudy,
        segment: &Segment,
        spent: Spent,
        notes: &mut Vec<String>,
    ) -> Metrics {
        let (from, names) = (segment.from, &self.description.metrics);
        let until = if study.is_pruned() { segment.until } else { from + 1 };
        let before = study.spent_on(segment.number);
        let mut all: Vec<Option<Series>> = Vec::new();
        for metric in metrics {
            match metric.series(from, until) {
                Ok(series) => {
                    notes.extend(series.note.clone());
                    all.push(series.last.is_some().then_some(series));
                }
                Err(why) => {
                    notes.push(why);
                    return Metrics::Failed;
                }
            }
        }
        let printed: BTreeMap<u32, f64> =
            all.iter().flatten().flat_map(|series| series.steps.clone()).collect();
        for (series, name) in all.iter_mut().zip(names).filter(|(series, _)| series.is_none()) {
            // Of all segments of the trial.
            let (before, measured) = match name.as_str() {
                "joules" => (before.joules.unwrap_or(0.0), spent.joules),
                "seconds" => (before.seconds, Some(spent.seconds)),
                _ => continue,
            };
            let Some(measured) = measured else { continue };
            // Spread evenly over the steps; the last one has all of it.
            let share = |step: u32| f64::from(step - from) / f64::from(until - from);
            let steps = printed.keys().map(|step| (*step, before + measured * share(*step)));
            let last = Some(before + measured);
            *series = Some(Series { steps: steps.collect(), last, note: None });
        }
        let missing = names.iter().zip(&all).filter(|(_, series)| series.is_none());
        let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
        if !missing.is_empty() {
            notes.push(format!(
                "the command printed `{}` followed by a number neither on standard output nor on \
                 standard error",
                missing.join("` and `")
            ));
            let is_measured = |name: &String| matches!(name.as_str(), "joules" | "seconds");
            let printable = names.iter().filter(|name| !is_measured(name)).count();
            return if missing.len() == printable { Metrics::Nothing } else { Metrics::Failed };
        }
        let all: Vec<Series> = all.into_iter().flatten().collect();
        let last: Vec<f64> = all.iter().filter_map(|series| series.last).collect();
        if !last.iter().all(|value| value.is_finite()) {
            notes.push(format!("the last value is {}, which is not finite", shown(&last)));
            return Metrics::Failed;
        }
        let row = |step: &u32| -> Option<(u32, Vec<f64>)> {
            let row: Option<Vec<f64>> =
                all.iter().map(|series| series.steps.get(step).copied()).collect();
            row.map(|row| (*step, row))
        };
        let steps = if study.is_pruned() {
            printed.keys().filter_map(row).collect()
        } else {
            BTreeMap::new()
        };
        Metrics::Values { steps, last }
    }
}

/// Values for a person to read.
pub(super) fn shown(values: &[f64]) -> String {
    values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(", ")
}

/// Replaces names in braces by words, in one pass, so that braces in a word are not replaced in turn.
fn fill(text: &str, words: &[(String, String)]) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        result.push_str(&rest[..start]);
        rest = &rest[start..];
        let known = words.iter().find(|(name, _)| rest[1..].starts_with(&format!("{name}}}")));
        match known {
            Some((name, word)) => {
                result.push_str(word);
                rest = &rest[name.len() + 2..];
            }
            None => {
                result.push('{');
                rest = &rest[1..];
            }
        }
    }
    result + rest
}

/// The names in braces in a text.
fn braces(text: &str) -> impl Iterator<Item = &str> {
    let is_name = |name: &&str| {
        let is_part =
            |character: char| character.is_alphanumeric() || character == '_' || character == '-';
        !name.is_empty() && name.chars().all(is_part)
    };
    let parts = text.split('{').skip(1).filter_map(|part| part.split_once('}'));
    parts.map(|(name, _)| name).filter(is_name)
}

/// Checks that every name in braces is the name of a parameter.
pub(super) fn check(command: &[OsString], description: &CommandStudy) -> anyhow::Result<()> {
    let names = || {
        let own = ["trial", "from", "until"].into_iter();
        description.study.space.iter().map(|parameter| parameter.name.as_str()).chain(own)
    };
    for name in command.iter().filter_map(|word| word.to_str()).flat_map(braces) {
        if names().any(|known| known == name) {
            continue;
        }
        let near = unknown_key::nearest(name, names());
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{{{near}}}`?"));
        bail!("the command has `{{{name}}}`, which is not a parameter of the space{near}");
    }
    Ok(())
}

/// A value as a word of a command line: text without quotes, anything else as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
