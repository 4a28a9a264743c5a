//! What one study says: the data of `wattlab tune show`.

use hpo::{ParameterKind, ProgressPoint, Trial};
use report::{Axis, Function, Importance, SearchInsight, TrialPoint};
use serde_json::Value;
use tuner::OpenStudy;

use super::{Trials, function, parameter};

/// What is known about the first objective.
pub(crate) struct Learned<'a> {
    /// Completed trials.
    pub(crate) trials: Vec<&'a Trial>,
    /// Importance of the parameters and the dependence on them, for figures and tables.
    pub(crate) insight: SearchInsight,
    /// The best value and the cost after each trial.
    pub(crate) progress: Vec<ProgressPoint>,
}

/// Number of values at which the dependence on a parameter is computed.
const PLACES: usize = 33;
/// A categorical parameter with more choices has numbers instead of names in figures.
const NAMED: u64 = 100;

impl<'a> Learned<'a> {
    /// Computes it; importance takes some seconds with thousands of trials.
    pub(crate) fn of(study: &'a OpenStudy) -> Self {
        let trials: Vec<&Trial> = study.trials().filter(|trial| trial.is_completed()).collect();
        Self { insight: search_insight(study, &trials), progress: study.progress(), trials }
    }

    /// The value as a function of the parameters.
    pub(crate) fn function(&self) -> Option<&Function> {
        self.insight.functions.first()
    }

    /// `None` if there are too few trials.
    pub(crate) fn importance(&self) -> Option<&Importance> {
        self.function()?.importance.as_ref()
    }
}

fn search_insight(study: &OpenStudy, trials: &[&Trial]) -> SearchInsight {
    let points = trials.iter().filter_map(|trial| {
        let active = study.space().active(&trial.parameters);
        let parameters = trial.parameters.iter().zip(active);
        let point = TrialPoint {
            name: format!("trial {}", trial.number),
            parameters: parameters.map(|(value, active)| active.then_some(*value)).collect(),
            cost: trial.cost,
            value: *study.values_of(trial)?.first()?,
        };
        Some((trial.parameters.clone(), point))
    });
    let (points, shown): (Vec<Vec<f64>>, Vec<TrialPoint>) = points.unzip();
    let seen = Trials { count: trials.len(), points, shown };
    let (space, spec) = (study.space(), study.spec());
    let parameters = spec.space.iter().zip(space.parameters()).map(|(spec, of)| {
        let choices = match of.kind {
            ParameterKind::Categorical => of.cells().filter(|cells| *cells <= NAMED).unwrap_or(0),
            _ => 0,
        };
        let choice = |index: u64| match spec.value(index as f64) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        parameter(of, spec.name.clone(), (0..choices).map(choice).collect())
    });
    SearchInsight {
        id: String::new(),
        name: String::new(),
        parameters: parameters.collect(),
        value: Axis::new("value", ""),
        bounds: None,
        is_minimized: study.minimizes(),
        cost: Some(cost(study, "a trial")),
        functions: vec![function("", seen, space, spec.seed, PLACES)],
    }
}

/// An axis of the cost of something, such as `a trial`.
pub(crate) fn cost(study: &OpenStudy, of: &str) -> Axis {
    match study.cost_origin() {
        Some(origin) if !study.counts_seconds() => {
            Axis::energy(format!("energy of {of}"), "J", origin)
        }
        _ if study.counts_seconds() => Axis::new(format!("time of {of}"), "s"),
        // The client told joules, but not where they come from.
        _ => Axis::new(format!("cost of {of}, as told"), "J"),
    }
}
