//! A trial: the command with its parameters, under the meter.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};
use hpo::Leg;
use meter::Meter;
use serde_json::Value;

use super::{description::Description, metric};
use crate::{
    Failure,
    command::tune::{open::Open, spent::Spent},
    config::unknown_key,
    progress,
};

/// What came of a trial.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// It ended with an error, or gave no number.
    Failed,
    /// One number an objective; several if the metrics were printed several times.
    Gave(Vec<Vec<f64>>),
}

/// A trial that ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    pub(super) spent: Spent,
}

/// Names in braces that are words and nothing else.
fn braces(text: &str) -> impl Iterator<Item = &str> {
    text.split('{').skip(1).filter_map(|it| it.split_once('}')).map(|it| it.0).filter(|it| {
        !it.is_empty() && it.chars().all(|it| it.is_alphanumeric() || it == '_' || it == '-')
    })
}

/// Whether every name in braces is a parameter's.
pub(super) fn check(command: &[String], description: &Description) -> anyhow::Result<()> {
    let names = || {
        let own = ["trial", "from", "until"].into_iter();
        description.study.space.iter().map(|it| it.name.as_str()).chain(own)
    };
    for name in command.iter().flat_map(|it| braces(it)) {
        if names().any(|it| it == name) {
            continue;
        }
        let near = unknown_key::nearest(name, names());
        let near = near.map_or_else(String::new, |it| format!("; did you mean `{{{it}}}`?"));
        bail!("the command has `{{{name}}}`, and the space no such parameter{near}");
    }
    Ok(())
}

/// Runs the command for a leg. What it prints on standard output goes to standard error.
pub(super) fn run(
    command: &[String],
    description: &Description,
    open: &Open,
    leg: &Leg,
    meter: &Meter,
) -> Result<Ended, Failure> {
    let mut words: Vec<(String, String)> =
        open.named(&leg.parameters).into_iter().map(|(name, value)| (name, word(&value))).collect();
    words.push(("trial".to_owned(), leg.number.to_string()));
    words.push(("from".to_owned(), leg.from.to_string()));
    words.push(("until".to_owned(), leg.until.to_string()));
    let filled = |text: &String| {
        // One pass, so that a value with braces stays as it is.
        let mut result = String::new();
        let mut rest = text.as_str();
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
    let filled: Vec<String> = command.iter().map(filled).collect();
    let Some((program, arguments)) = filled.split_first() else {
        return Err(Failure::bad_input(anyhow::anyhow!("there is no command")));
    };
    let mut child = Command::new(program);
    child.args(arguments).stdout(Stdio::piped()).stdin(Stdio::null());
    for (name, word) in &words {
        let name: String = name
            .chars()
            .map(|it| if it.is_ascii_alphanumeric() { it.to_ascii_uppercase() } else { '_' })
            .collect();
        child.env(format!("WATTLAB_{name}"), word);
    }
    let span = meter.span("trial");
    let mut child = child
        .spawn()
        .with_context(|| format!("failed to run `{program}`"))
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
    let spent = Spent::of(&span.end());
    if !status.success() {
        progress::line(&format!("trial {}: the command ended with {status}", leg.number));
        return Ok(Ended { outcome: Outcome::Failed, spent });
    }
    Ok(Ended { outcome: outcome(description, found, open.spent_on(leg.number), spent, leg), spent })
}

/// The metrics' last values, or each time's if all were printed as often.
fn outcome(
    description: &Description,
    mut found: Vec<Vec<f64>>,
    before: Spent,
    spent: Spent,
    leg: &Leg,
) -> Outcome {
    let printed = found.iter().map(Vec::len).max().unwrap_or(0);
    for (found, name) in found.iter_mut().zip(&description.metrics) {
        // Of all its legs.
        let (before, measured) = match name.as_str() {
            "joules" => (before.joules.unwrap_or(0.0), spent.joules),
            "seconds" => (before.seconds, Some(spent.seconds)),
            _ => continue,
        };
        if found.is_empty() {
            // Even over the steps; the last has all of it.
            let share = |step: usize| (step + 1) as f64 / printed.max(1) as f64;
            found.extend(
                (0..printed.max(1)).filter_map(|step| Some(before + measured? * share(step))),
            );
        }
    }
    if let Some(at) = found.iter().position(Vec::is_empty) {
        progress::line(&format!(
            "trial {}: the command printed no `{}` with a number behind it",
            leg.number, description.metrics[at]
        ));
        return Outcome::Failed;
    }
    let often = found.iter().map(Vec::len).min().unwrap_or(0);
    let same = found.iter().all(|it| it.len() == often);
    let rows: Vec<Vec<f64>> = if same {
        (0..often).map(|row| found.iter().map(|it| it[row]).collect()).collect()
    } else {
        vec![found.iter().filter_map(|it| it.last().copied()).collect()]
    };
    let finite = |it: &Vec<f64>| it.iter().all(|it| it.is_finite());
    if rows.last().is_some_and(finite) { Outcome::Gave(rows) } else { Outcome::Failed }
}

/// Text as it is, anything else as JSON.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
