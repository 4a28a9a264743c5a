//! What a sampler sees of a study.

use std::collections::HashSet;

use crate::{
    objectives::Objectives,
    random::RandomStream,
    space::{Space, key},
    trial::Trial,
};

/// The state of a search when a new trial is to be chosen: everything a sampler may look at.
///
/// A suggestion must depend on nothing else, so that a study can be rebuilt from its trials.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SearchState<'a> {
    /// The search space.
    pub space: &'a Space,
    /// What is maximized.
    pub objectives: Objectives,
    /// Seed of the study.
    pub seed: u64,
    /// Number of the trial to choose.
    pub number: u32,
    /// All other trials, in rising order of their numbers, including running, paused and failed ones.
    pub trials: &'a [Trial],
    /// The numbers of steps after which a pruner compares trials, rising; the last one is the length
    /// of a completed trial. Empty without a pruner.
    pub rungs: Vec<u32>,
    /// The share of the budget that is left, in [0, 1]; 0 without a budget.
    pub budget_left: f64,
}

/// What one trial has given, cut to the number of steps at which trials are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrialResult<'a> {
    /// Number of the trial.
    pub number: u32,
    /// Its parameters, in the order of the space.
    pub parameters: &'a [f64],
    /// A value per objective; `None` if the trial failed.
    pub values: Option<&'a [f64]>,
    /// What the trial cost; `None` if no cost was told.
    pub cost: Option<f64>,
}

/// The results of a search as most samplers need them: one per trial, and what is still running.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History<'a> {
    results: Vec<TrialResult<'a>>,
    running: Vec<&'a [f64]>,
}

impl<'a> SearchState<'a> {
    /// The state of a study with one objective, without a pruner and without a budget. `trials` must
    /// be in rising order of their numbers.
    #[must_use]
    pub fn new(space: &'a Space, seed: u64, number: u32, trials: &'a [Trial]) -> Self {
        let objectives = Objectives::new(1);
        Self { space, objectives, seed, number, trials, rungs: Vec::new(), budget_left: 0.0 }
    }

    /// Whether trials may be stopped early.
    #[must_use]
    pub fn is_pruned(&self) -> bool {
        !self.rungs.is_empty()
    }

    /// A stream of random numbers for this trial and a purpose.
    #[must_use]
    pub fn random(&self, purpose: &str) -> RandomStream {
        RandomStream::new(self.seed, self.number, purpose)
    }

    /// An allowed point, uniform on the parameters' scales.
    #[must_use]
    pub fn uniform(&self) -> Vec<f64> {
        self.space.draw(&mut self.random("uniform"))
    }

    /// What the trials have given so far.
    ///
    /// With a pruner, trials are compared after the same number of steps: the longest rung that two
    /// trials more than there are parameters have reached (Falkner et al. 2018, BOHB). Trials that
    /// were stopped before it are left out.
    #[must_use]
    pub fn history(&self) -> History<'a> {
        let rung = self.compared_rung();
        let counts = |trial: &Trial| match rung {
            _ if !self.is_pruned() || trial.has_failed() => true,
            Some(rung) => trial.steps() >= rung,
            None => false,
        };
        let mut history = History::default();
        for trial in self.trials {
            if !trial.has_failed() && trial.values.is_empty() {
                history.running.push(&trial.parameters);
            } else if counts(trial) {
                let step = rung.map_or(trial.steps(), |rung| rung.min(trial.steps()));
                history.results.push(TrialResult {
                    number: trial.number,
                    parameters: &trial.parameters,
                    values: trial.at(step).filter(|_| !trial.has_failed()),
                    cost: trial.cost,
                });
            }
        }
        history
    }

    fn compared_rung(&self) -> Option<u32> {
        let enough = self.space.dimensions() + 2;
        let reached = |rung| self.trials.iter().filter(|trial| trial.steps() >= rung).count();
        self.rungs.iter().rev().copied().find(|rung| reached(*rung) >= enough)
    }

    /// Whether another trial has exactly these parameters.
    #[must_use]
    pub fn tried(&self, parameters: &[f64]) -> bool {
        self.trials.iter().any(|trial| trial.parameters == parameters)
    }

    /// A point that no other trial has, drawn at random; `None` if every point of a finite space was
    /// tried.
    pub(crate) fn untried(&self) -> Option<Vec<f64>> {
        let mut random = self.random("untried");
        let start = random.unit();
        let mut drawn = (0..DRAWS).map(|_| self.space.draw(&mut random));
        drawn.find(|point| !self.tried(point)).or_else(|| {
            let tried: HashSet<Vec<u64>> =
                self.trials.iter().map(|trial| key(&trial.parameters)).collect();
            self.space.walk(start).find(|point| !tried.contains(&key(point)))
        })
    }
}

/// Random draws before the points of a finite space are looked at one by one.
const DRAWS: usize = 64;

impl<'a> History<'a> {
    /// One result per trial that failed or gave values, by number.
    #[must_use]
    pub fn results(&self) -> &[TrialResult<'a>] {
        &self.results
    }

    /// Parameters of trials that run and have given nothing yet.
    #[must_use]
    pub fn running(&self) -> &[&'a [f64]] {
        &self.running
    }

    /// Parameters of trials that gave values, and the first objective.
    pub fn values(&self) -> impl Iterator<Item = (&'a [f64], f64)> {
        let results = self.results.iter();
        results.filter_map(|trial| Some((trial.parameters, *trial.values?.first()?)))
    }

    /// Parameters of trials that failed.
    pub fn failed(&self) -> impl Iterator<Item = &'a [f64]> {
        let results = self.results.iter();
        results.filter(|trial| trial.values.is_none()).map(|trial| trial.parameters)
    }

    /// Parameters and costs of trials whose cost was told.
    pub fn costs(&self) -> impl Iterator<Item = (&'a [f64], f64)> {
        self.results.iter().filter_map(|trial| Some((trial.parameters, trial.cost?)))
    }
}
