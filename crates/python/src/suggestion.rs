//! The next point of another program's search.

use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use tuner::{OpenStudy, StudySpec};

use crate::{fault::Fault, wait::wait_for};

/// A trial of the other program.
#[derive(Deserialize)]
struct Known {
    params: Map<String, Value>,
    /// A number or a list; null for a trial that failed.
    #[serde(default)]
    value: Value,
    /// It has no result yet.
    #[serde(default)]
    running: bool,
    cost_j: Option<f64>,
}

/// The parameters that a sampler chooses next, given all trials so far: texts in JSON.
#[pyfunction]
pub(crate) fn suggest(py: Python<'_>, description: String, trials: String) -> PyResult<String> {
    wait_for(py, move || {
        let spec: StudySpec = serde_json::from_str(&description).map_err(Fault::input)?;
        let trials: Vec<Known> = serde_json::from_str(&trials).map_err(Fault::input)?;
        let mut study = OpenStudy::new(spec)?;
        for trial in trials {
            // A trial outside the space is left out: the other program may have changed its ranges.
            if !trial.running {
                let _ = study.add_trial(&trial.params, &trial.value, trial.cost_j);
            } else if study.enqueue(trial.params).is_ok() {
                study.ask()?;
            }
        }
        let segment = study.ask()?;
        Ok(Value::Object(study.named(&segment.parameters)).to_string())
    })
}
