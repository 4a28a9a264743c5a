//! A model of what trials cost.

use crate::{
    gp::{Process, fit_plain},
    space::Space,
};

/// The expected cost of a trial: a Gaussian process over the logarithms of the costs.
pub(crate) struct CostModel {
    process: Process,
    /// Mean and deviation of the logarithms.
    center: f64,
    unit: f64,
    /// The exponent of the cost in the acquisition function.
    exponent: f64,
}

/// Fewer costs than this are not modeled.
const LEAST: usize = 4;
/// The process sees at most this many costs, the latest ones.
const SEEN: usize = 256;

impl CostModel {
    /// Fits points and their costs; `None` if there are fewer than four positive costs.
    pub(crate) fn new<'a>(
        space: &Space,
        costs: impl Iterator<Item = (&'a [f64], f64)>,
        exponent: f64,
    ) -> Option<Self> {
        let (mut points, mut logs): (Vec<Vec<f64>>, Vec<f64>) = costs
            .filter(|(_, cost)| *cost > 0.0)
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

    /// Whether the cost changes the acquisition function.
    pub(crate) fn counts(&self) -> bool {
        self.exponent > 0.0 && self.unit > 0.0
    }

    /// The expected cost at a place: the mean of a log-normal variable.
    pub(crate) fn expected(&self, place: &[f64]) -> f64 {
        let (mean, variance) = self.process.at(place);
        (self.center + self.unit * mean + 0.5 * self.unit * self.unit * variance).exp()
    }

    /// What the logarithm of the acquisition function loses at a place: the exponent times the
    /// expected logarithm of the cost.
    pub(crate) fn discount(&self, place: &[f64]) -> f64 {
        self.exponent * (self.center + self.unit * self.process.at(place).0)
    }

    /// The discount, and its gradient added to `slope`.
    pub(crate) fn discount_slope(&self, place: &[f64], slope: &mut [f64]) -> f64 {
        let mut own = vec![0.0; place.len()];
        let mut unused = vec![0.0; place.len()];
        let (mean, _) = self.process.slope(place, &mut own, &mut unused);
        let factor = self.exponent * self.unit;
        slope.iter_mut().zip(own).for_each(|(slope, own)| *slope += factor * own);
        self.exponent * self.center + factor * mean
    }
}
