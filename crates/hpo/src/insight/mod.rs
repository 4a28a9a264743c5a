//! What a study has learned: which parameters matter, how values depend on them, and how the search
//! progressed.

mod forest;
mod importance;

use units::Dependence;

pub use self::{forest::Forest, importance::importance};
use crate::{gp::fit_plain, random::sobol, space::Space, trial::Trial};

/// Number of points over which the other parameters are averaged.
const OTHERS: u32 = 64;
/// The process sees at most this many trials, the best ones.
const SEEN: usize = 256;

/// The partial dependence (Friedman 2001) of the values on each parameter, by a Gaussian process.
///
/// Each parameter is evaluated at `places` values, evenly spaced on its scale, or at all its values if
/// it takes fewer. `None` if there are fewer than two trials.
#[must_use]
pub fn partial_dependence(
    space: &Space,
    points: &[Vec<f64>],
    values: &[f64],
    places: usize,
) -> Option<Vec<Dependence>> {
    if points.len() < 2 {
        return None;
    }
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    order.truncate(SEEN);
    let seen: Vec<Vec<f64>> = order.iter().map(|row| space.places(&points[*row])).collect();
    let values: Vec<f64> = order.iter().map(|row| values[*row]).collect();
    let (process, center, unit) = fit_plain(&seen, &values, &space.unordered())?;
    let others: Vec<Vec<f64>> = (0..OTHERS)
        .map(|index| space.places(&space.at(&sobol(0, "dependence", index, space.dimensions()))))
        .collect();
    let along = |axis: usize| {
        let parameter = &space.parameters()[axis];
        let count = parameter
            .cells()
            .map_or(places, |cells| cells.min(places.max(2) as u64) as usize)
            .max(1);
        let share = |index: usize| index as f64 / (count.max(2) - 1) as f64;
        let mut at: Vec<f64> = (0..count).map(|index| parameter.at(share(index))).collect();
        at.dedup();
        let (mut mean, mut deviation) = (Vec::new(), Vec::new());
        for value in &at {
            let (mut means, mut variances) = (0.0, 0.0);
            for other in &others {
                let mut place = other.clone();
                place[axis] = parameter.place(*value);
                let (mean, variance) = process.at(&place);
                means += mean / f64::from(OTHERS);
                variances += variance / f64::from(OTHERS);
            }
            mean.push(center + unit * means);
            deviation.push(unit * variances.sqrt());
        }
        Dependence { at, mean, deviation }
    };
    Some((0..space.dimensions()).map(along).collect())
}

/// The state of a search after one of its trials.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProgressPoint {
    /// Number of the trial.
    pub number: u32,
    /// The trial's first objective; `None` if it is not completed.
    pub value: Option<f64>,
    /// The largest value so far; `None` before the first.
    pub best: Option<f64>,
    /// What all trials up to and including this one cost.
    pub cost: f64,
}

/// The progress of a search, one entry per trial in the order given.
#[must_use]
pub fn progress(trials: &[Trial]) -> Vec<ProgressPoint> {
    let (mut best, mut cost) = (None, 0.0);
    let each = trials.iter().map(|trial| {
        let value = trial.value().filter(|_| trial.is_completed());
        best = match (best, value) {
            (Some(a), Some(b)) => Some(f64::max(a, b)),
            (a, b) => a.or(b),
        };
        cost += trial.cost.unwrap_or(0.0);
        ProgressPoint { number: trial.number, value, best, cost }
    });
    each.collect()
}
