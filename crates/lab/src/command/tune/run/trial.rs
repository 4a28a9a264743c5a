//! One segment of a trial: the command with its parameters, under the meter.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use hpo::Segment;
use meter::Meter;
use serde_json::Value;
use tuner::{CommandStudy, OpenStudy, Spent, unknown_key};

use super::metric;
use crate::{Failure, command::tune::spent::spent, progress};

/// The metrics in the output of a command.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Metrics {
    /// The command failed, or did not print every metric.
    Failed,
    /// A number per objective, once or, if the metrics were printed several times, for each time.
    Rows(Vec<Vec<f64>>),
}

/// A segment that ended.
#[derive(Clone, Debug)]
pub(super) struct EndedSegment {
    pub(super) metrics: Metrics,
    pub(super) spent: Spent,
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

/// Runs the command for a segment. Its standard output goes to our standard error.
pub(super) fn run(
    command: &[OsString],
    description: &CommandStudy,
    study: &OpenStudy,
    segment: &Segment,
    meter: &Meter,
) -> Result<EndedSegment, Failure> {
    let parameters = study.named(&segment.parameters).into_iter();
    let mut words: Vec<(String, String)> =
        parameters.map(|(name, value)| (name, word(&value))).collect();
    // Without a pruner there are no steps.
    let until = if study.is_pruned() { segment.until } else { 0 };
    words.push(("trial".to_owned(), segment.number.to_string()));
    words.push(("from".to_owned(), segment.from.to_string()));
    words.push(("until".to_owned(), until.to_string()));
    let filled = |text: &str| {
        // In one pass, so that braces in a value are not replaced in turn.
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
    };
    // What is no text, such as the name of a file in Latin-1, has no names in braces.
    let filled =
        |word: &OsString| word.to_str().map_or_else(|| word.clone(), |text| filled(text).into());
    let filled: Vec<OsString> = command.iter().map(filled).collect();
    let Some((program, arguments)) = filled.split_first() else {
        return Err(Failure::bad_input(anyhow::anyhow!("give a command after `--`")));
    };
    let mut child = Command::new(program);
    child.args(arguments).stdout(Stdio::piped()).stdin(Stdio::null());
    for (name, word) in &words {
        let name: String = name
            .chars()
            .map(|character| {
                if character.is_ascii_alphanumeric() { character.to_ascii_uppercase() } else { '_' }
            })
            .collect();
        child.env(format!("WATTLAB_{name}"), word);
    }
    let span = meter.span("trial");
    let mut child = child
        .spawn()
        .with_context(|| format!("failed to run `{}`", program.to_string_lossy()))
        .map_err(Failure::bad_input)?;
    let mut found: Vec<Vec<f64>> = vec![Vec::new(); description.metrics.len()];
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(Failure::run_time)?;
            let line = String::from_utf8_lossy(&line);
            for (found, name) in found.iter_mut().zip(&description.metrics) {
                found.extend(metric::in_line(&line, name));
            }
            progress::line(&line);
        }
    }
    let status = child.wait().map_err(Failure::run_time)?;
    let spent = spent(&span.end());
    if !status.success() {
        progress::line(&format!("trial {}: the command ended with {status}", segment.number));
        return Ok(EndedSegment { metrics: Metrics::Failed, spent });
    }
    let before = study.spent_on(segment.number);
    let metrics = metrics(description, found, before, spent, segment.number);
    Ok(EndedSegment { metrics, spent })
}

/// The last values of the metrics or, if all were printed equally often, the values of each time.
/// `before` is what earlier segments of the trial cost.
fn metrics(
    description: &CommandStudy,
    mut found: Vec<Vec<f64>>,
    before: Spent,
    spent: Spent,
    trial: u32,
) -> Metrics {
    let printed = found.iter().map(Vec::len).max().unwrap_or(0);
    for (found, name) in found.iter_mut().zip(&description.metrics) {
        // Of all segments of the trial.
        let (before, measured) = match name.as_str() {
            "joules" => (before.joules.unwrap_or(0.0), spent.joules),
            "seconds" => (before.seconds, Some(spent.seconds)),
            _ => continue,
        };
        if found.is_empty() {
            // Spread evenly over the steps; the last one has all of it.
            let share = |step: usize| (step + 1) as f64 / printed.max(1) as f64;
            found.extend(
                (0..printed.max(1)).filter_map(|step| Some(before + measured? * share(step))),
            );
        }
    }
    if let Some(at) = found.iter().position(Vec::is_empty) {
        progress::line(&format!(
            "trial {trial}: the command did not print `{}` followed by a number",
            description.metrics[at]
        ));
        return Metrics::Failed;
    }
    let often = found.iter().map(Vec::len).min().unwrap_or(0);
    let same = found.iter().all(|values| values.len() == often);
    let rows: Vec<Vec<f64>> = if same {
        (0..often).map(|row| found.iter().map(|values| values[row]).collect()).collect()
    } else {
        vec![found.iter().filter_map(|values| values.last().copied()).collect()]
    };
    let is_finite = |row: &Vec<f64>| row.iter().all(|value| value.is_finite());
    if rows.last().is_some_and(is_finite) { Metrics::Rows(rows) } else { Metrics::Failed }
}

/// A value as a word of a command line: text without quotes, anything else as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
