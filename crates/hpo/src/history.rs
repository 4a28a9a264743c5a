//! What was tried and what it gave.

use std::collections::HashSet;

use crate::sampler::bits;

/// A trial that was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its number, from 0.
    pub number: u32,
    /// Its parameters, in the space's order.
    pub parameters: Vec<f64>,
    /// What it gave; more is better. A failed trial has none.
    pub value: Option<f64>,
    /// What it cost, if somebody counted.
    pub cost: Option<f64>,
}

/// The trials so far, by number; those under way are known by their parameters alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    trials: Vec<Trial>,
    pending: Vec<Vec<f64>>,
    cooling: f64,
}

impl History {
    /// Of trials in any order; their numbers decide. A value that is not a number counts as failed.
    #[must_use]
    pub fn new(mut trials: Vec<Trial>, pending: Vec<Vec<f64>>) -> Self {
        trials.iter_mut().for_each(|it| it.value = it.value.filter(|value| value.is_finite()));
        trials.sort_by_key(|it| it.number);
        Self { trials, pending, cooling: 0.0 }
    }

    /// The same, with the exponent of the cost in the acquisition: EI over cost to that power. Lee et
    /// al. (2020, "Cost-aware Bayesian optimization") take the share of the budget that is left.
    #[must_use]
    pub fn cooled(self, exponent: f64) -> Self {
        Self { cooling: exponent, ..self }
    }

    pub(crate) fn cooling(&self) -> f64 {
        self.cooling
    }

    /// Parameters and costs of the trials that have one.
    pub(crate) fn costs(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.trials.iter().filter_map(|it| Some((it.parameters.as_slice(), it.cost?)))
    }

    /// Trials that were told, by number.
    #[must_use]
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Parameters of trials under way.
    #[must_use]
    pub fn pending(&self) -> &[Vec<f64>] {
        &self.pending
    }

    /// Parameters and values of trials that gave one.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&[f64], f64)> {
        self.trials.iter().filter_map(|it| Some((it.parameters.as_slice(), it.value?)))
    }

    /// Parameters of trials that failed.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &[f64]> {
        self.trials.iter().filter(|it| it.value.is_none()).map(|it| it.parameters.as_slice())
    }

    /// Whether a trial had, or has, exactly these parameters.
    pub(crate) fn tried(&self, parameters: &[f64]) -> bool {
        self.trials.iter().map(|it| &it.parameters).chain(&self.pending).any(|it| it == parameters)
    }

    /// All of those, to be looked up.
    pub(crate) fn points(&self) -> HashSet<Vec<u64>> {
        let told = self.trials.iter().map(|it| &it.parameters);
        told.chain(&self.pending).map(|it| bits(it)).collect()
    }
}
