//! Whether a trial of another program's search ends early.

use hpo::{Gp, Segment, Study};
use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use tuner::{PrunerSpec, StudySpec};

use crate::{fault::Fault, wait::wait_for};

/// A trial of the other program, with the values after each of its steps, larger is better.
#[derive(Deserialize)]
struct Climber {
    params: Map<String, Value>,
    values: Vec<f64>,
}

/// Whether the last of the trials ends at its last step. Descriptions and trials are JSON texts; trials that
/// are not in the space are left out.
#[pyfunction]
pub(crate) fn should_prune(py: Python<'_>, description: String, trials: String) -> PyResult<bool> {
    wait_for(py, move || {
        let spec: StudySpec = serde_json::from_str(&description).map_err(Fault::input)?;
        let trials: Vec<Climber> = serde_json::from_str(&trials).map_err(Fault::input)?;
        match (&spec.pruner, trials.last()) {
            (Some(pruner), Some(last)) => decide(&spec, *pruner, &trials, last.values.len()),
            _ => Ok(false),
        }
    })
}

fn decide(
    spec: &StudySpec,
    pruner: PrunerSpec,
    trials: &[Climber],
    step: usize,
) -> Result<bool, Fault> {
    let (kind, rungs) = pruner.pruner()?;
    let lengths: Vec<usize> = rungs.lengths().into_iter().map(|length| length as usize).collect();
    let is_last = lengths.last().is_none_or(|most| step >= *most);
    if is_last || !lengths.contains(&step) {
        return Ok(false);
    }
    let mut study = Study::new(spec.space()?, Gp, spec.seed).with_pruner(kind, rungs);
    let mut number = 0;
    for (at, trial) in trials.iter().enumerate() {
        let values = spec.space.iter().map(|parameter| {
            trial.params.get(&parameter.name).and_then(|value| parameter.number(value))
        });
        let parameters: Option<Vec<f64>> = values.collect();
        let Some(parameters) = parameters.filter(|values| study.space().has(values)) else {
            if at + 1 == trials.len() {
                return Ok(false);
            }
            continue;
        };
        climb(&mut study, number, &parameters, &trial.values, &lengths)?;
        number += 1;
    }
    let next = study.next_segment(number - 1).map_err(Fault::input)?;
    Ok(next.is_none())
}

/// Gives a trial the values that it had, from rung to rung.
fn climb(
    study: &mut Study,
    number: u32,
    parameters: &[f64],
    values: &[f64],
    lengths: &[usize],
) -> Result<(), Fault> {
    let mut from = 0;
    for until in lengths {
        let segment =
            Segment { number, parameters: parameters.to_vec(), from, until: *until as u32 };
        study.restore(segment).map_err(Fault::input)?;
        for (at, value) in values.iter().enumerate().take(*until).skip(from as usize) {
            study.report(number, at as u32 + 1, &[*value]).map_err(Fault::input)?;
        }
        if values.len() <= *until {
            return Ok(());
        }
        from = *until as u32;
    }
    Ok(())
}
