//! What trials cost, in a unit of the caller's: joules, seconds, grams of CO2 equivalent.

use crate::{
    gp::{Process, fit_plain},
    space::Space,
    study::HpoError,
};

/// What a study may spend, and what it has spent: trials, failed and stopped ones included, and the
/// search itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ledger {
    budget: Option<f64>,
    trials: f64,
    search: f64,
}

impl Ledger {
    /// With a budget, in the unit of the costs.
    #[must_use]
    pub fn of(budget: f64) -> Self {
        Self { budget: Some(budget), ..Self::default() }
    }

    /// What a trial cost.
    ///
    /// # Errors
    ///
    /// If that is negative or not a number.
    pub fn trial(&mut self, cost: f64) -> Result<(), HpoError> {
        self.trials += checked(cost)?;
        Ok(())
    }

    /// What asking cost.
    ///
    /// # Errors
    ///
    /// If that is negative or not a number.
    pub fn search(&mut self, cost: f64) -> Result<(), HpoError> {
        self.search += checked(cost)?;
        Ok(())
    }

    /// By all trials.
    #[must_use]
    pub fn spent_on_trials(&self) -> f64 {
        self.trials
    }

    /// By the search.
    #[must_use]
    pub fn spent_on_search(&self) -> f64 {
        self.search
    }

    /// By both.
    #[must_use]
    pub fn spent(&self) -> f64 {
        self.trials + self.search
    }

    /// What may still be spent; none without a budget.
    #[must_use]
    pub fn left(&self) -> Option<f64> {
        self.budget.map(|it| (it - self.spent()).max(0.0))
    }

    /// The share of the budget that is left, the exponent of the cost in EI-cool; 0 without a
    /// budget, where costs are only counted.
    pub(crate) fn share_left(&self) -> f64 {
        match (self.left(), self.budget) {
            (Some(left), Some(budget)) if budget > 0.0 => left / budget,
            _ => 0.0,
        }
    }
}

/// The cost, if it is one.
pub(crate) fn checked(cost: f64) -> Result<f64, HpoError> {
    if cost >= 0.0 && cost.is_finite() { Ok(cost) } else { Err(HpoError::Cost { cost }) }
}

/// What a trial is expected to cost: a Gaussian process of the logarithms.
pub(crate) struct CostModel {
    process: Process,
    /// Mean and deviation of the logarithms.
    center: f64,
    unit: f64,
    /// The exponent of the cost in the acquisition.
    exponent: f64,
}

/// Costs from which on they are modelled, and the most that the process sees, the last ones.
const LEAST: usize = 4;
const SEEN: usize = 256;

impl CostModel {
    /// Of points and what they cost; none of too few.
    pub(crate) fn new<'a>(
        space: &Space,
        costs: impl Iterator<Item = (&'a [f64], f64)>,
        exponent: f64,
    ) -> Option<Self> {
        let (mut points, mut logs): (Vec<Vec<f64>>, Vec<f64>) = costs
            .filter(|it| it.1 > 0.0)
            .map(|(point, cost)| (space.places(point), cost.ln()))
            .unzip();
        let more = points.len().saturating_sub(SEEN);
        points.drain(..more);
        logs.drain(..more);
        if points.len() < LEAST {
            return None;
        }
        let (process, center, unit) = fit_plain(&points, &logs, &space.unordered())?;
        Some(Self { process, center, unit, exponent })
    }

    /// Whether it changes a score.
    pub(crate) fn counts(&self) -> bool {
        self.exponent > 0.0 && self.unit > 0.0
    }

    /// The expected cost of a log-normal one.
    pub(crate) fn expected(&self, place: &[f64]) -> f64 {
        let (mean, variance) = self.process.at(place);
        (self.center + self.unit * mean + 0.5 * self.unit * self.unit * variance).exp()
    }

    /// What a score loses at a place: the exponent times the expected logarithm.
    pub(crate) fn discount(&self, place: &[f64]) -> f64 {
        self.exponent * (self.center + self.unit * self.process.at(place).0)
    }

    /// The same, and its slope added to `slope`.
    pub(crate) fn discount_slope(&self, place: &[f64], slope: &mut [f64]) -> f64 {
        let mut own = vec![0.0; place.len()];
        let mut unused = vec![0.0; place.len()];
        let (mean, _) = self.process.slope(place, &mut own, &mut unused);
        let factor = self.exponent * self.unit;
        slope.iter_mut().zip(own).for_each(|(it, own)| *it += factor * own);
        self.exponent * self.center + factor * mean
    }
}
