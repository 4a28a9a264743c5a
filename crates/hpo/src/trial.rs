//! Trials: what was tried, how far it got, and what it gave.

/// One set of parameters and the values it gave so far.
///
/// A trial gives its values after one or more *steps*. In a study without a pruner there is one step:
/// the whole evaluation. With a pruner a step is an epoch, or any other unit of work.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Trial {
    /// Number of the trial, counted from 0 in the order in which trials were asked for.
    pub number: u32,
    /// Parameter values in the order of the space; choices are indices.
    pub parameters: Vec<f64>,
    /// One row per finished step: a value per objective, larger is better.
    pub values: Vec<Vec<f64>>,
    /// Whether the trial is running, paused or has ended.
    pub state: TrialState,
    /// Cost of all its steps in the caller's unit; `None` if no cost was told.
    pub cost: Option<f64>,
}

/// How far a trial has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrialState {
    /// It is being evaluated.
    Running {
        /// The step at which it pauses or completes.
        until: u32,
    },
    /// It ended a segment before its last step; a pruner may resume it.
    Paused,
    /// It reached the last step.
    Completed,
    /// It failed, and never goes on.
    Failed,
}

impl Trial {
    /// A trial that is being evaluated up to step `until`.
    #[must_use]
    pub fn running(number: u32, parameters: Vec<f64>, until: u32) -> Self {
        let state = TrialState::Running { until };
        Self { number, parameters, values: Vec::new(), state, cost: None }
    }

    /// A trial that gave one value per objective after a single step. A value that is not finite
    /// counts as a failure.
    #[must_use]
    pub fn completed(number: u32, parameters: Vec<f64>, values: &[f64]) -> Self {
        if !values.iter().all(|value| value.is_finite()) {
            return Self::failed(number, parameters);
        }
        let state = TrialState::Completed;
        Self { number, parameters, values: vec![values.to_vec()], state, cost: None }
    }

    /// A trial that failed before it gave any value.
    #[must_use]
    pub fn failed(number: u32, parameters: Vec<f64>) -> Self {
        let state = TrialState::Failed;
        Self { number, parameters, values: Vec::new(), state, cost: None }
    }

    /// The same trial with a cost, in the unit of the study's other costs.
    #[must_use]
    pub fn with_cost(self, cost: f64) -> Self {
        Self { cost: Some(cost), ..self }
    }

    /// Number of finished steps.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.values.len() as u32
    }

    /// The values after a step, counted from 1; `None` if the trial has not got so far.
    #[must_use]
    pub fn at(&self, step: u32) -> Option<&[f64]> {
        self.values.get(step.checked_sub(1)? as usize).map(Vec::as_slice)
    }

    /// The values after the last finished step; `None` if the trial failed or gave none yet.
    #[must_use]
    pub fn last(&self) -> Option<&[f64]> {
        self.values.last().filter(|_| !self.has_failed()).map(Vec::as_slice)
    }

    /// The first objective after the last finished step; `None` if the trial failed or gave none yet.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.last()?.first().copied()
    }

    /// Whether the trial failed.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state == TrialState::Failed
    }

    /// Whether the trial reached its last step.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state == TrialState::Completed
    }

    /// The steps it is running now; `None` if it is not running.
    #[must_use]
    pub fn segment(&self) -> Option<Segment> {
        let TrialState::Running { until } = self.state else { return None };
        let parameters = self.parameters.clone();
        Some(Segment { number: self.number, parameters, from: self.steps(), until })
    }
}

/// What to evaluate next: a trial, from one step to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Number of the trial.
    pub number: u32,
    /// Parameter values in the order of the space; choices are indices.
    pub parameters: Vec<f64>,
    /// Steps the trial has already finished; 0 for a new trial.
    pub from: u32,
    /// The step at which the segment ends; 1 in a study without a pruner.
    pub until: u32,
}
