//! Trials as a CSV table, with the columns of Optuna's data frames.

use std::{fs, path::Path};

use anyhow::{Context, bail, ensure};
use serde_json::{Map, Value};
use tuner::{OpenStudy, ParameterSpec};
use units::{limits, open_regular};

use super::foreign::Foreign;

/// The longest table, in bytes, since all its trials are kept.
const LONGEST: u64 = 64 << 20;

/// Reads a table: parameters in the columns NAME or `params_NAME`, and the values in `columns` or else
/// in `value`, or `values_0` and so on. A row whose `state` is not `COMPLETE`, or without values, is a
/// failed trial; one that is `RUNNING`, `WAITING` or `PRUNED` is left out.
pub(super) fn read(
    path: &Path,
    columns: &[String],
    study: &OpenStudy,
) -> anyhow::Result<Vec<Foreign>> {
    let length = fs::metadata(path)?.len();
    ensure!(length <= LONGEST, "it has {length} bytes, expected a table of at most {LONGEST}");
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(open_regular(path)?);
    let header = reader.headers()?.clone();
    limits::COLUMNS.check(header.len() as u64)?;
    let find = |name: &str| header.iter().position(|column| column == name);
    let objectives = study.spec().senses().len();
    let names: Vec<String> = match (columns.is_empty(), objectives) {
        (false, _) => columns.to_vec(),
        (true, 1) => vec!["value".to_owned()],
        (true, _) => (0..objectives).map(|index| format!("values_{index}")).collect(),
    };
    ensure!(
        names.len() == objectives,
        "{} columns of values are named, and the study has {objectives} objectives",
        names.len()
    );
    let values: Vec<usize> = names
        .iter()
        .map(|name| {
            find(name).with_context(|| {
                format!("it has no column `{name}` with the values; name another by `--column`")
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let parameters: Vec<(&ParameterSpec, usize)> = study
        .spec()
        .space
        .iter()
        .filter_map(|spec| {
            Some((spec, find(&format!("params_{}", spec.name)).or_else(|| find(&spec.name))?))
        })
        .collect();
    if parameters.is_empty() {
        bail!("none of its columns is a parameter of the study");
    }
    let state = find("state");
    let mut trials = Vec::new();
    for row in reader.records() {
        let row = row?;
        limits::ROWS.check(trials.len() as u64 + 1)?;
        let line = row.position().map_or(0, csv::Position::line);
        let state = state.and_then(|at| row.get(at)).unwrap_or_default();
        let state = state.rsplit('.').next().unwrap_or_default();
        if matches!(state, "RUNNING" | "WAITING" | "PRUNED") {
            continue;
        }
        let mut params = Map::new();
        for (spec, at) in &parameters {
            if let Some(text) = row.get(*at).filter(|text| !text.is_empty()) {
                params.insert(spec.name.clone(), value(spec, text));
            }
        }
        let has_failed = state == "FAIL";
        let number = |at: &usize| -> anyhow::Result<Option<f64>> {
            let text = row.get(*at).unwrap_or_default();
            if text.is_empty() || has_failed {
                return Ok(None);
            }
            let number = text.parse::<f64>();
            let column = &header[*at];
            number
                .map(Some)
                .with_context(|| format!("line {line}: `{column}` is `{text}`, expected a number"))
        };
        let numbers: Vec<Option<f64>> = values.iter().map(number).collect::<anyhow::Result<_>>()?;
        let values = numbers.into_iter().collect();
        trials.push(Foreign { place: format!("line {line}"), params, values });
    }
    Ok(trials)
}

/// A cell as a value of a parameter: a choice by its text, or a number.
fn value(spec: &ParameterSpec, text: &str) -> Value {
    let parsed = match text {
        "True" => Value::from(true),
        "False" => Value::from(false),
        "None" => Value::Null,
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    };
    if spec.number(&parsed).is_some() { parsed } else { Value::from(text) }
}
