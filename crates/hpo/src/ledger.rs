//! The costs of a study, in the caller's unit: joules, seconds, grams of CO2 equivalent.

use crate::error::HpoError;

/// What a study may spend and has spent: on trials, including failed and stopped ones, and on the
/// search itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    budget: Option<f64>,
    trials: f64,
    search: f64,
}

impl Ledger {
    /// An empty ledger with a budget, in the unit of the costs.
    #[must_use]
    pub fn with_budget(budget: f64) -> Self {
        Self { budget: Some(budget), ..Self::default() }
    }

    /// Adds the cost of a trial.
    ///
    /// # Errors
    ///
    /// If the cost is negative or not finite.
    pub fn add_trial(&mut self, cost: f64) -> Result<(), HpoError> {
        self.trials += checked(cost)?;
        Ok(())
    }

    /// Adds the cost of choosing a trial.
    ///
    /// # Errors
    ///
    /// If the cost is negative or not finite.
    pub fn add_search(&mut self, cost: f64) -> Result<(), HpoError> {
        self.search += checked(cost)?;
        Ok(())
    }

    /// Cost of all trials.
    #[must_use]
    pub fn spent_on_trials(&self) -> f64 {
        self.trials
    }

    /// Cost of the search itself.
    #[must_use]
    pub fn spent_on_search(&self) -> f64 {
        self.search
    }

    /// Cost of trials and search together.
    #[must_use]
    pub fn spent(&self) -> f64 {
        self.trials + self.search
    }

    /// What may still be spent, at least 0; `None` without a budget.
    #[must_use]
    pub fn left(&self) -> Option<f64> {
        self.budget.map(|budget| (budget - self.spent()).max(0.0))
    }

    /// The share of the budget that is left, in [0, 1]; 0 without a budget.
    #[must_use]
    pub fn share_left(&self) -> f64 {
        match (self.left(), self.budget) {
            (Some(left), Some(budget)) if budget > 0.0 => left / budget,
            _ => 0.0,
        }
    }
}

/// The cost itself if it is finite and at least 0.
pub(crate) fn checked(cost: f64) -> Result<f64, HpoError> {
    if cost >= 0.0 && cost.is_finite() { Ok(cost) } else { Err(HpoError::Cost { cost }) }
}
