//! Studies of the tuner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hpo::TrialState;
use meter::Origin;
use pyo3::{exceptions::PyTypeError, prelude::*};
use serde_json::{Map, Value, json};
use tuner::{OpenStudy, Spent, StudySpec, TunerError};

use crate::{fault::Fault, owned::Owned, wait::wait_for};

type SharedStudy = Arc<Mutex<OpenStudy>>;

/// A study with its journal; see `wattlab.Study`. Descriptions, parameters and values are JSON texts.
#[pyclass(frozen, subclass, module = "wattlab._core", name = "Study", weakref)]
pub(crate) struct PyStudy(Mutex<Option<Owned<SharedStudy>>>);

impl PyStudy {
    /// A fork of the process must not write to the same journal.
    fn shared(&self) -> Result<SharedStudy, Fault> {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(study) = own.as_ref() else {
            return Err(Fault::study("the study is closed; open its journal again"));
        };
        study.get().map(Arc::clone).ok_or_else(|| {
            Fault::study(
                "the study belongs to the process that opened it, and this is a fork of it; ask and tell \
                 there, and return the values from here",
            )
        })
    }

    /// Does something with the study on another thread.
    fn wait<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut OpenStudy) -> Result<T, TunerError> + Send + 'static,
    ) -> PyResult<T> {
        let study = self.shared()?;
        wait_for(py, move || Ok(work(&mut locked(&study))?))
    }
}

/// A panic leaves the study unchanged, so the lock may be taken after one.
fn locked(study: &SharedStudy) -> MutexGuard<'_, OpenStudy> {
    study.lock().unwrap_or_else(PoisonError::into_inner)
}

fn object(text: &str) -> Result<Map<String, Value>, Fault> {
    serde_json::from_str(text).map_err(Fault::input)
}

#[pymethods]
impl PyStudy {
    #[new]
    #[pyo3(signature = (description, budget_s=None))]
    fn new(py: Python<'_>, description: String, budget_s: Option<f64>) -> PyResult<Self> {
        let study = wait_for(py, move || {
            let mut spec: StudySpec = serde_json::from_str(&description).map_err(|error| {
                let message = error.to_string();
                let near = tuner::unknown_key::suggestion(&message);
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                Fault::input(format!("the study cannot be read: {message}{near}"))
            })?;
            spec.budget_s = budget_s;
            Ok(OpenStudy::new(spec)?)
        })?;
        Ok(Self(Mutex::new(Some(Owned::new(Arc::new(Mutex::new(study)))))))
    }

    /// Closes the journal, so that another process may open it.
    fn close(&self) {
        let study = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(study);
    }

    fn __exit__(
        &self,
        _class: &Bound<'_, PyAny>,
        _error: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) -> bool {
        self.close();
        false
    }

    /// The next trial: its number, parameters and, with a pruner, its steps.
    fn ask_json(&self, py: Python<'_>) -> PyResult<String> {
        self.wait(py, |study| {
            let segment = study.ask()?;
            Ok(study.segment_json(&segment).to_string())
        })
    }

    /// Tells the values of a trial, null if it failed, and its joules if they are known.
    #[pyo3(signature = (trial, value, cost_j=None))]
    fn tell_json(
        &self,
        py: Python<'_>,
        trial: u32,
        value: String,
        cost_j: Option<f64>,
    ) -> PyResult<()> {
        let value: Value = serde_json::from_str(&value).map_err(Fault::input)?;
        self.wait(py, move |study| study.tell(trial, &value, cost_j))
    }

    /// Tells the values after a step.
    #[pyo3(signature = (trial, step, value, cost_j=None))]
    fn report_json(
        &self,
        py: Python<'_>,
        trial: u32,
        step: u32,
        value: String,
        cost_j: Option<f64>,
    ) -> PyResult<()> {
        let value: Value = serde_json::from_str(&value).map_err(Fault::input)?;
        self.wait(py, move |study| study.report(trial, step, &value, cost_j))
    }

    /// Whether a trial ends here, for now.
    fn should_stop(&self, py: Python<'_>, trial: u32) -> PyResult<bool> {
        self.wait(py, move |study| study.should_stop(trial))
    }

    /// Adds a trial that was evaluated elsewhere; returns its number.
    #[pyo3(signature = (params, value, cost_j=None))]
    fn add_json(
        &self,
        py: Python<'_>,
        params: String,
        value: String,
        cost_j: Option<f64>,
    ) -> PyResult<u32> {
        let params = object(&params)?;
        let value: Value = serde_json::from_str(&value).map_err(Fault::input)?;
        self.wait(py, move |study| study.add_trial(&params, &value, cost_j))
    }

    /// Queues a trial with these parameters.
    fn enqueue_json(&self, py: Python<'_>, params: String) -> PyResult<usize> {
        let params = object(&params)?;
        self.wait(py, move |study| study.enqueue(params))
    }

    /// Writes down what was measured of a trial or, without one, of the search.
    #[pyo3(signature = (trial, seconds, joules=None, uncertainty_j=None, origin=None))]
    fn add_spent(
        &self,
        py: Python<'_>,
        trial: Option<u32>,
        seconds: f64,
        joules: Option<f64>,
        uncertainty_j: Option<f64>,
        origin: Option<String>,
    ) -> PyResult<()> {
        let is_cost = |value: f64| value.is_finite() && value >= 0.0;
        if !is_cost(seconds) || !joules.is_none_or(is_cost) {
            let text = format!(
                "the cost is {seconds} seconds and {joules:?} joules; expected finite numbers of at least 0"
            );
            return Err(Fault::input(text).into());
        }
        let origin = match origin.as_deref() {
            None => None,
            Some("measured") => Some(Origin::Measured),
            Some("estimated") => Some(Origin::Estimated),
            Some("mixed") => Some(Origin::Mixed),
            Some(other) => {
                let text = format!(
                    "`origin` is {other:?}; expected \"measured\", \"estimated\" or \"mixed\""
                );
                return Err(Fault::input(text).into());
            }
        };
        let spent = Spent { seconds, joules, uncertainty_j, origin };
        self.wait(py, move |study| study.add_spent(trial, spent))
    }

    /// The best trial.
    fn best_json(&self, py: Python<'_>) -> PyResult<String> {
        self.wait(py, |study| Ok(study.trial_json(study.best()?).to_string()))
    }

    /// The trials that no other one dominates.
    fn pareto_json(&self, py: Python<'_>) -> PyResult<String> {
        self.wait(py, |study| {
            let trials = study.pareto();
            Ok(Value::from(trials.iter().map(|trial| study.trial_json(trial)).collect::<Vec<_>>())
                .to_string())
        })
    }

    /// All trials with their states, values and costs.
    fn trials_json(&self, py: Python<'_>) -> PyResult<String> {
        self.wait(py, |study| {
            let trial = |trial: &hpo::Trial| {
                let state = match trial.state {
                    TrialState::Running { .. } => "running",
                    TrialState::Paused => "paused",
                    TrialState::Completed => "completed",
                    TrialState::Failed => "failed",
                    _ => "unknown",
                };
                let spent = study.spent_on(trial.number);
                json!({
                    "trial": trial.number, "params": study.named(&trial.parameters), "state": state,
                    "values": study.values_of(trial), "last_values": study.last_values(trial.number),
                    "steps": trial.steps(), "cost": trial.cost, "seconds": spent.seconds,
                    "joules": spent.joules, "uncertainty_j": spent.uncertainty_j,
                    "origin": spent.origin.map(Origin::word),
                })
            };
            Ok(Value::from(study.trials().map(trial).collect::<Vec<_>>()).to_string())
        })
    }

    /// Trials that were asked for and have no result yet.
    fn running_json(&self, py: Python<'_>) -> PyResult<String> {
        self.wait(py, |study| {
            let running = study.running();
            let running = running.iter().map(|segment| study.segment_json(segment));
            Ok(Value::from(running.collect::<Vec<_>>()).to_string())
        })
    }

    /// Seconds and joules of all trials and of the search.
    fn spent_json(&self, py: Python<'_>) -> PyResult<String> {
        self.wait(py, |study| {
            let spent = study.spent_by_trials().plus(study.spent_by_search());
            Ok(json!({
                "seconds": spent.seconds, "joules": spent.joules,
                "uncertainty_j": spent.uncertainty_j, "origin": spent.origin.map(Origin::word),
                "told_j": study.cost_j(),
            })
            .to_string())
        })
    }

    /// The expected gain of the next trial per kilojoule, if it is known.
    fn gain_per_kj(&self, py: Python<'_>) -> PyResult<Option<f64>> {
        self.wait(py, |study| study.gain_per_kj())
    }

    /// Number of objectives.
    #[getter]
    fn objectives(&self) -> PyResult<usize> {
        Ok(locked(&self.shared()?).objectives())
    }

    /// Whether trials may be stopped early.
    #[getter]
    fn is_pruned(&self) -> PyResult<bool> {
        Ok(locked(&self.shared()?).is_pruned())
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "a study cannot be pickled; give it a `journal`, and open that in the other process later",
        ))
    }
}
