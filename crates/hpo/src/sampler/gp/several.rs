//! Several objectives: a Gaussian process per objective, and the logarithm of the expected hypervolume
//! improvement over the Pareto front of their posterior means.
//!
//! With two objectives it is exact (as Emmerich et al. 2011): over each strip between neighbors on the
//! front the gain is a product, so its expectation is a product of expected improvements. With any
//! other number of objectives it is ParEGO (Knowles 2006): one process of the augmented Chebyshev
//! distance under random weights.

use super::one::{Apart, bounds};
use crate::{
    cost::CostModel,
    gp::{Observations, Process, Warped, expected_improvement, fit_from, minimize},
    random::{RandomStream, sobol},
    search::{SearchState, TrialResult},
    space::ParameterKind,
};

/// Trials from a quasi-random sequence before the first fit.
const INITIAL: usize = 8;
/// Candidates from a quasi-random sequence.
const CANDIDATES: u32 = 384;
/// Candidates near points of the front.
const NEIGHBORS: usize = 128;
/// Candidates that are refined along their gradients.
const STARTS: usize = 6;
/// Evaluations of the acquisition function in each refinement.
const EVALUATIONS: usize = 30;
/// The processes see at most this many trials, the latest ones.
const SEEN: usize = 256;

pub(super) fn suggest(search: &SearchState<'_>) -> Vec<f64> {
    let (space, history) = (search.space, search.history());
    let told = history.results();
    let given: Vec<(&[f64], &[f64])> =
        told.iter().filter_map(|trial| Some((trial.parameters, trial.values?))).collect();
    if given.len() < INITIAL {
        return space.spread(search.seed, "initial", search.number);
    }
    let values: Vec<Vec<f64>> = given.iter().map(|(_, values)| values.to_vec()).collect();
    let floor = search.objectives.reference(&values);
    // A failed trial counts as the worst in every objective.
    let worst: Vec<f64> = (0..floor.len())
        .map(|k| values.iter().map(|values| values[k]).fold(f64::INFINITY, f64::min))
        .collect();
    let mut seen: Vec<(Vec<f64>, Vec<f64>)> = given
        .iter()
        .map(|(point, values)| (space.places(point), values.to_vec()))
        .chain(history.failed().map(|point| (space.places(point), worst.clone())))
        .collect();
    seen.drain(..seen.len().saturating_sub(SEEN));
    let (points, values): (Vec<Vec<f64>>, Vec<Vec<f64>>) = seen.into_iter().unzip();
    let unordered = space.unordered();

    let mut columns: Vec<(Vec<f64>, f64)> = (0..floor.len())
        .map(|k| (values.iter().map(|values| values[k]).collect(), floor[k]))
        .collect();
    if columns.len() != 2 {
        columns = vec![(chebyshev(&values, &floor, search), f64::NEG_INFINITY)];
    }
    let fitted: Option<Vec<(Process, Warped, f64)>> = columns
        .iter()
        .map(|(values, floor)| fit_from(&points, values, *floor, &unordered))
        .collect();
    let Some(fitted) = fitted else { return search.uniform() };
    let (mut processes, mut floors) = (Vec::new(), Vec::new());
    // Trials that run, or were stopped too early to be compared, are assumed to give their expected
    // values.
    let mut believed = points.clone();
    believed.extend(others(search, told).map(|point| space.places(point)));
    for (process, mut warped, floor) in fitted {
        warped.values.extend(believed[points.len()..].iter().map(|place| process.at(place).0));
        let Some(process) = process.with(Observations::new(&believed, &warped.values, &unordered))
        else {
            return search.uniform();
        };
        processes.push(process);
        floors.push(floor);
    }
    // Costs of trials that were stopped early do not compare.
    let exponent = if search.is_pruned() { 0.0 } else { search.budget_left };
    let costs =
        (exponent > 0.0).then(|| CostModel::new(space, history.costs(), exponent)).flatten();
    let gain = Gain { costs, ..Gain::new(&processes, &floors, &believed) };
    maximize(&gain, search)
}

/// Parameters of the trials that are not among those observed.
fn others<'a>(
    search: &SearchState<'a>,
    observed: &[TrialResult<'_>],
) -> impl Iterator<Item = &'a [f64]> {
    let is_observed = |number| observed.binary_search_by_key(&number, |trial| trial.number).is_ok();
    let others = search.trials.iter().filter(move |trial| !is_observed(trial.number));
    others.map(|trial| trial.parameters.as_slice())
}

/// −max wₖ dₖ − 0.05 Σ wₖ dₖ, with dₖ the distance to the best value of objective k as a share of the
/// range from the reference point to that value.
fn chebyshev(values: &[Vec<f64>], floor: &[f64], search: &SearchState<'_>) -> Vec<f64> {
    let mut random: RandomStream = search.random("weights");
    // Exponential numbers over their sum are uniform on the simplex.
    let raw: Vec<f64> = floor.iter().map(|_| -(1.0 - random.unit()).ln() + 1e-12).collect();
    let sum: f64 = raw.iter().sum();
    let scales: Vec<(f64, f64)> = floor
        .iter()
        .enumerate()
        .map(|(k, floor)| {
            let top = values.iter().map(|values| values[k]).fold(f64::NEG_INFINITY, f64::max);
            (top, (top - floor).max(1e-12))
        })
        .collect();
    values
        .iter()
        .map(|values| {
            let parts: Vec<f64> = values
                .iter()
                .zip(&scales)
                .zip(&raw)
                .map(|((value, (top, range)), weight)| weight / sum * (top - value) / range)
                .collect();
            -parts.iter().copied().fold(f64::NEG_INFINITY, f64::max)
                - 0.05 * parts.iter().sum::<f64>()
        })
        .collect()
}

/// The improvement that a point is expected to bring.
struct Gain<'a> {
    processes: &'a [Process],
    /// Places on the front, near which candidates are drawn.
    front: Vec<Vec<f64>>,
    /// With two objectives, strips: where each begins and ends in the first objective, and the value
    /// of the second one there. With one, a single strip from the best value.
    strips: Vec<(f64, f64, f64)>,
    costs: Option<CostModel>,
}

impl<'a> Gain<'a> {
    fn new(processes: &'a [Process], floors: &[f64], points: &[Vec<f64>]) -> Self {
        let mut means: Vec<(Vec<f64>, &Vec<f64>)> = points
            .iter()
            .map(|point| (processes.iter().map(|process| process.at(point).0).collect(), point))
            .collect();
        means.sort_by(|a, b| b.0[0].total_cmp(&a.0[0]));
        if processes.len() == 1 {
            let best = means[0].0[0];
            let front = means.iter().take(4).map(|(_, point)| (*point).clone()).collect();
            return Self {
                processes,
                front,
                strips: vec![(best, f64::INFINITY, 0.0)],
                costs: None,
            };
        }
        // From the right: the first objective falls, the second must rise.
        let (mut front, mut strips) = (Vec::new(), Vec::new());
        let (mut right, mut height) = (f64::INFINITY, floors[1]);
        for (mean, point) in means {
            if mean[0] > floors[0] && mean[1] > height {
                strips.push((mean[0], right, height));
                (right, height) = (mean[0], mean[1]);
                front.push(point.clone());
            }
        }
        strips.push((floors[0], right, height));
        Self { processes, front, strips, costs: None }
    }

    /// The logarithm of the expected gain; its gradient goes to `slope` if that is given.
    fn log(&self, place: &[f64], slope: Option<&mut [f64]>) -> f64 {
        let d = place.len();
        let mut means = [0.0; 2];
        let mut deviations = [1.0; 2];
        let mut slopes = [[vec![0.0; d], vec![0.0; d]], [vec![0.0; d], vec![0.0; d]]];
        for (k, process) in self.processes.iter().enumerate() {
            let [mean_slope, variance_slope] = &mut slopes[k];
            let (mean, variance) = if slope.is_some() {
                process.slope(place, mean_slope, variance_slope)
            } else {
                process.at(place)
            };
            (means[k], deviations[k]) = (mean, variance.sqrt());
        }
        // Value, and slopes by mean and deviation, of each factor.
        let at = |k: usize, from: f64| expected_improvement(means[k], deviations[k], from);
        let two = self.processes.len() == 2;
        let mut total = 0.0;
        let mut parts = [[0.0; 2]; 2];
        for (from, to, height) in &self.strips {
            let a = at(0, *from);
            let b = if to.is_finite() { at(0, *to) } else { [0.0; 3] };
            let width = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
            let rise = if two { at(1, *height) } else { [1.0, 0.0, 0.0] };
            total += width[0] * rise[0];
            parts[0][0] += width[1] * rise[0];
            parts[0][1] += width[2] * rise[0];
            parts[1][0] += width[0] * rise[1];
            parts[1][1] += width[0] * rise[2];
        }
        let total = total.max(1e-300);
        let costs = self.costs.as_ref();
        let mut discount = costs.map_or(0.0, |costs| costs.discount(place));
        if let Some(slope) = slope {
            slope.fill(0.0);
            for k in 0..self.processes.len() {
                let [mean_slope, variance_slope] = &slopes[k];
                for (axis, slope) in slope.iter_mut().enumerate() {
                    let deviation_slope = variance_slope[axis] / (2.0 * deviations[k]);
                    *slope +=
                        (parts[k][0] * mean_slope[axis] + parts[k][1] * deviation_slope) / total;
                }
            }
            if let Some(costs) = costs {
                let mut own = vec![0.0; d];
                discount = costs.discount_slope(place, &mut own);
                slope.iter_mut().zip(own).for_each(|(slope, own)| *slope -= own);
            }
        }
        total.ln() - discount
    }
}

/// The untried point with the largest gain: the best of many candidates, refined along their
/// gradients.
fn maximize(gain: &Gain, search: &SearchState<'_>) -> Vec<f64> {
    let (space, seed, number) = (search.space, search.seed, search.number);
    let mut random = search.random("acquisition");
    let mut candidates: Vec<Vec<f64>> = (0..CANDIDATES)
        .map(|index| {
            sobol(seed ^ (u64::from(number) << 32), "candidates", index, space.dimensions())
        })
        .collect();
    for index in 0..NEIGHBORS {
        let Some(center) = gain.front.get(index % gain.front.len().max(1)) else { break };
        let width = 10.0_f64.powf(-0.7 - 2.0 * random.unit());
        let moved = center.iter().zip(space.parameters()).map(|(place, parameter)| {
            match parameter.kind {
                // Along the front often one parameter changes alone.
                _ if random.unit() < 0.5 => *place,
                ParameterKind::Categorical => random.unit(),
                _ if parameter.continuous() => (place + width * random.normal()).clamp(0.0, 1.0),
                _ => (place + 0.2 * random.normal()).clamp(0.0, 1.0),
            }
        });
        candidates.push(moved.collect());
    }
    if space.is_constrained() {
        candidates.extend((0..NEIGHBORS).map(|_| space.places(&space.draw(&mut random))));
    }
    let apart = Apart::of(search);
    let mut scored: Vec<(f64, Vec<f64>)> = candidates
        .into_iter()
        .filter_map(|candidate| {
            let point = space.at(&candidate);
            let place = space.places(&point);
            let is_new = space.allows(&point) && !search.tried(&point) && apart.allows(&place);
            is_new.then(|| (gain.log(&place, None), place))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut cost = |place: &[f64], slope: &mut [f64]| {
        let value = gain.log(place, Some(slope));
        slope.iter_mut().for_each(|slope| *slope = -*slope);
        -value
    };
    scored
        .iter()
        .take(STARTS)
        .map(|(score, start)| {
            let refined = minimize(&mut cost, start, &bounds(space, start), EVALUATIONS, 1e-5);
            let is_allowed = apart.allows(&refined.1) && space.allows(&space.at(&refined.1));
            if is_allowed { refined } else { (-score, start.clone()) }
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, place)| space.at(&place))
        .filter(|point| !search.tried(point))
        .unwrap_or_else(|| search.uniform())
}
