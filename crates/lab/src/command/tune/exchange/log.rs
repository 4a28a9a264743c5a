//! Studies in the file of Optuna's journal storage: a JSON object per operation.

use std::{
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use anyhow::Context;
use serde_json::{Map, Value};
use tuner::OpenStudy;
use units::{limits, open_regular};

use super::{
    database::chosen,
    foreign::{Foreign, external},
};

/// A trial while its operations are read.
#[derive(Debug, Default)]
struct Trial {
    study: u64,
    params: Map<String, Value>,
    state: u64,
    values: Option<Vec<f64>>,
}

/// Numbers of the operations and of a trial's states.
mod code {
    pub(super) const CREATE_STUDY: u64 = 0;
    pub(super) const CREATE_TRIAL: u64 = 4;
    pub(super) const SET_PARAM: u64 = 5;
    pub(super) const SET_STATE_VALUES: u64 = 6;
    pub(super) const COMPLETE: u64 = 1;
    pub(super) const FAIL: u64 = 3;
}

/// The completed and failed trials of a study.
pub(super) fn read(
    path: &Path,
    name: Option<&str>,
    study: &OpenStudy,
) -> anyhow::Result<Vec<Foreign>> {
    let mut reader = BufReader::new(open_regular(path)?);
    let mut studies: Vec<(String, Vec<String>)> = Vec::new();
    let mut trials: Vec<Trial> = Vec::new();
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let most = limits::LINE_BYTES.max() + 1;
        if reader.by_ref().take(most).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        limits::LINE_BYTES.check(line.len() as u64)?;
        let operation: Value = match serde_json::from_slice(&line) {
            Ok(operation) => operation,
            // A kill may leave an unfinished last line.
            Err(_) if !line.ends_with(b"\n") => break,
            Err(error) => return Err(error).with_context(|| format!("line {number}")),
        };
        apply(&operation, &mut studies, &mut trials)
            .with_context(|| format!("line {number} is no operation that can be read"))?;
        limits::TRIALS.check(trials.len().max(1) as u64)?;
    }
    let chosen = chosen(&studies, name, study)? as u64;
    let of_study = trials.into_iter().filter(|trial| trial.study == chosen).enumerate();
    let ended = of_study.filter(|(_, trial)| matches!(trial.state, code::COMPLETE | code::FAIL));
    Ok(ended
        .map(|(number, trial)| Foreign {
            place: format!("trial {number}"),
            params: trial.params,
            values: trial.values.filter(|_| trial.state == code::COMPLETE),
        })
        .collect())
}

/// Applies an operation; `None` if it lacks something. Unknown operations change nothing here.
fn apply(
    operation: &Value,
    studies: &mut Vec<(String, Vec<String>)>,
    trials: &mut Vec<Trial>,
) -> Option<()> {
    let trial = || usize::try_from(operation["trial_id"].as_u64()?).ok();
    match operation["op_code"].as_u64()? {
        code::CREATE_STUDY => {
            let directions = operation["directions"].as_array()?.iter();
            let directions = directions.map(|direction| {
                if direction == 1 { "MINIMIZE".to_owned() } else { "MAXIMIZE".to_owned() }
            });
            studies.push((operation["study_name"].as_str()?.to_owned(), directions.collect()));
        }
        code::CREATE_TRIAL => {
            let mut trial = Trial { study: operation["study_id"].as_u64()?, ..Trial::default() };
            trial.state = operation["state"].as_u64().unwrap_or(0);
            trial.values = values(operation);
            let (params, distributions) = (&operation["params"], &operation["distributions"]);
            for (name, distribution) in distributions.as_object().into_iter().flatten() {
                let value = external(distribution.as_str()?, params[name].as_f64()?)?;
                trial.params.insert(name.clone(), value);
            }
            trials.push(trial);
        }
        code::SET_PARAM => {
            let internal = operation["param_value_internal"].as_f64()?;
            let value = external(operation["distribution"].as_str()?, internal)?;
            let name = operation["param_name"].as_str()?.to_owned();
            trials.get_mut(trial()?)?.params.insert(name, value);
        }
        code::SET_STATE_VALUES => {
            let trial = trials.get_mut(trial()?)?;
            trial.state = operation["state"].as_u64()?;
            trial.values = values(operation);
        }
        _ => {}
    }
    Some(())
}

fn values(operation: &Value) -> Option<Vec<f64>> {
    match (&operation["values"], &operation["value"]) {
        (Value::Array(list), _) => list.iter().map(Value::as_f64).collect(),
        (_, value) => Some(vec![value.as_f64()?]),
    }
}
