//! What a study has learned, as data: which parameters matter, how, and how the search went.

mod forest;
mod importance;

pub use self::{
    forest::Forest,
    importance::{Importance, Share, importance},
};
use crate::{gp::fit_plain, history::Trial, random::sobol, space::Space};

/// How values depend on one parameter, the others averaged over the space.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependence {
    /// Values of the parameter.
    pub at: Vec<f64>,
    /// What is expected there.
    pub mean: Vec<f64>,
    /// Root of the posterior variance, averaged over the other parameters: an upper bound of the
    /// uncertainty of the mean.
    pub deviation: Vec<f64>,
}

/// Points that the other parameters are averaged over.
const OTHERS: u32 = 64;
/// Trials that the process sees, the best ones.
const SEEN: usize = 256;

/// The partial dependence (Friedman 2001) on each parameter, by a Gaussian process of the values as
/// they are, at so many places (all choices of a categorical one); none of fewer than two trials.
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
    let seen: Vec<Vec<f64>> = order.iter().map(|it| space.places(&points[*it])).collect();
    let values: Vec<f64> = order.iter().map(|it| values[*it]).collect();
    let (process, center, unit) = fit_plain(&seen, &values, &space.unordered())?;
    let others: Vec<Vec<f64>> = (0..OTHERS)
        .map(|it| space.places(&space.at(&sobol(0, "dependence", it, space.dimensions()))))
        .collect();
    let along = |axis: usize| {
        let parameter = &space.parameters()[axis];
        let count =
            parameter.cells().map_or(places, |it| it.min(places.max(2) as u64) as usize).max(1);
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

/// A trial of a search that went on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Its number.
    pub number: u32,
    /// What it gave; none if it failed.
    pub value: Option<f64>,
    /// The largest value so far.
    pub best: Option<f64>,
    /// What all trials so far cost, it included.
    pub cost: f64,
}

/// How a search went, trial by trial in the order given.
#[must_use]
pub fn progress(trials: &[Trial]) -> Vec<Progress> {
    let (mut best, mut cost) = (None, 0.0);
    let each = trials.iter().map(|it| {
        best = match (best, it.value) {
            (Some(a), Some(b)) => Some(f64::max(a, b)),
            (a, b) => a.or(b),
        };
        cost += it.cost.unwrap_or(0.0);
        Progress { number: it.number, value: it.value, best, cost }
    });
    each.collect()
}
