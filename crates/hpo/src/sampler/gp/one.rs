//! One objective: log expected improvement over the best posterior mean (Ament et al. 2023).
//!
//! Parameters are places in the unit cube. Values are standardized, with the bad tail compressed. The
//! kernel is Matérn-5/2 with a length per parameter, fitted by maximum a posteriori, as is the noise.

use super::climb::climb;
use crate::{
    cost::CostModel,
    gp::{
        Fitted, Observations, Process, expected_improvement, fit, log_expected_improvement,
        log_expected_improvement_slope, minimize, thin,
    },
    random::sobol,
    sampler::interface::Suggestion,
    search::SearchState,
    space::{Parameter, ParameterKind, Space},
};

/// Trials from a quasi-random sequence before the first fit.
const INITIAL: usize = 6;
/// Candidates from a quasi-random sequence.
const CANDIDATES: u32 = 256;
/// Candidates near good points.
const NEIGHBORS: usize = 64;
/// Candidates that are refined along their gradients.
const STARTS: usize = 6;
/// Evaluations of the acquisition function in each refinement.
const EVALUATIONS: usize = 40;
pub(super) fn suggest(search: &SearchState<'_>) -> Suggestion {
    let (space, history) = (search.space, search.history());
    let mut trials: Vec<(Vec<f64>, f64)> =
        history.values().map(|(point, value)| (space.places(point), value)).collect();
    if trials.len() < INITIAL {
        return space.spread(search.seed, "initial", search.number).into();
    }
    // A failed trial counts as the worst that did not fail, so that its neighborhood is avoided.
    let worst = trials.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    trials.extend(history.failed().map(|point| (space.places(point), worst)));
    // A stable sort, so that equal values stay in the order of their numbers.
    trials.sort_by(|a, b| b.1.total_cmp(&a.1));
    thin(&mut trials);
    let (points, values): (Vec<Vec<f64>>, Vec<f64>) = trials.into_iter().unzip();
    let Some((process, warped)) = fit(&points, &values, &space.unordered()) else {
        return search.uniform().into();
    };
    let costs = CostModel::new(space, history.costs(), search.budget_left);
    let fitted = Fitted { process, points, warped };
    propose(search, fitted, history.running(), &[], costs.as_ref())
}

/// The next point by a fitted process, whose points end with the coordinates `suffix` if there are
/// any. The trials at `believed` are assumed to give their expected values.
pub(super) fn propose(
    search: &SearchState<'_>,
    Fitted { mut process, mut points, mut warped }: Fitted,
    believed: &[&[f64]],
    suffix: &[f64],
    costs: Option<&CostModel>,
) -> Suggestion {
    let space = search.space;
    let unordered = [space.unordered(), vec![false; suffix.len()]].concat();
    // A running trial is assumed to give its expected value (kriging believer), so that parallel
    // workers do not all try the same point. This changes no mean, so adding them one after another
    // gives the same process as adding all at once.
    for running in believed {
        let mut place = space.places(running);
        place.extend(suffix);
        warped.values.push(process.at(&place).0);
        points.push(place);
    }
    if !believed.is_empty()
        && let Some(with) = process.with(Observations::new(&points, &warped.values, &unordered))
    {
        process = with;
    }
    let cooled = costs.filter(|costs| costs.counts());
    let (chosen, best) = maximize(&process, search, suffix, cooled);
    // A point that was tried tells nothing new on a deterministic objective.
    let place = space.places(&chosen);
    if points.iter().any(|point| distance(point, &place) < 1e-9) {
        return search.uniform().into();
    }
    let (mean, variance) = process.at(&[&place, suffix].concat());
    let gain = expected_improvement(mean, variance.sqrt(), best)[0] * warped.unit;
    Suggestion {
        parameters: chosen,
        // Equal values say nothing about what another point could give.
        gain: (warped.unit > 0.0).then_some(gain),
        cost: costs.map(|costs| costs.expected(&place)),
        repeats: false,
    }
}

/// The point with the largest expected improvement, and the mean to beat: the best of many
/// candidates, refined along their gradients.
fn maximize(
    process: &Process,
    search: &SearchState<'_>,
    suffix: &[f64],
    costs: Option<&CostModel>,
) -> (Vec<f64>, f64) {
    let (space, seed, number) = (search.space, search.seed, search.number);
    let observations = process.observations();
    let dimensions = space.dimensions();
    let whole = |place: &[f64]| [place, suffix].concat();
    let mut means: Vec<(f64, Vec<f64>)> = (0..observations.len())
        .map(|i| {
            let place = observations.point(i)[..dimensions].to_vec();
            (process.at(&whole(&place)).0, place)
        })
        .collect();
    means.sort_by(|a, b| b.0.total_cmp(&a.0));
    means.dedup_by(|a, b| a.1 == b.1);
    let best = means[0].0;
    let score = |place: &[f64]| {
        let (mean, variance) = process.at(&whole(place));
        let gain = log_expected_improvement(mean, variance.sqrt(), best);
        gain - costs.map_or(0.0, |costs| costs.discount(place))
    };

    let inner = inner(space, number, &means[0].1);
    let mut random = search.random("acquisition");
    let mut candidates: Vec<Vec<f64>> = (0..CANDIDATES)
        .map(|index| sobol(seed ^ (u64::from(number) << 32), "candidates", index, dimensions))
        .collect();
    for index in 0..NEIGHBORS {
        let (_, center) = &means[index % means.len().min(4)];
        // From a tenth of the range down to a thousandth.
        let width = 10.0_f64.powf(-1.0 - 2.0 * random.unit());
        candidates.push(
            center
                .iter()
                .zip(space.parameters())
                .map(|(place, parameter)| match parameter.kind {
                    _ if parameter.continuous() => {
                        (place + width * random.normal()).clamp(0.0, 1.0)
                    }
                    // Most whole numbers stay, so that neighbors differ in few of them.
                    _ if random.unit() < 0.7 => *place,
                    ParameterKind::Categorical => random.unit(),
                    _ => (place + 0.2 * random.normal()).clamp(0.0, 1.0),
                })
                .collect(),
        );
    }
    if space.is_constrained() {
        candidates.extend((0..NEIGHBORS).map(|_| space.places(&space.draw(&mut random))));
    }
    let finite = space.cells().is_some();
    let apart = Apart::of(search);
    let mut scored: Vec<(f64, Vec<f64>)> = candidates
        .into_iter()
        .filter_map(|mut candidate| {
            for (place, (low, high)) in candidate.iter_mut().zip(&inner) {
                *place = place.clamp(*low, *high);
            }
            // Score the point that would be tried, after rounding to steps.
            let point = space.at(&candidate);
            let place = space.places(&point);
            let is_new = !(finite && search.tried(&point)) && apart.allows(&place);
            (space.allows(&point) && is_new).then(|| (score(&place), place))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    if finite {
        let allowed = |point: &[f64]| {
            (space.allows(point) && !search.tried(point)).then(|| score(&space.places(point)))
        };
        let climbed = scored
            .into_iter()
            .take(STARTS)
            .map(|(score, place)| climb(space, (score, space.at(&place)), allowed));
        let found = climbed.reduce(|a, b| if b.0 > a.0 { b } else { a });
        return (found.map_or_else(|| search.uniform(), |(_, point)| point), best);
    }

    let width = observations.dimensions;
    let (mut mean_slope, mut variance_slope) = (vec![0.0; width], vec![0.0; width]);
    let mut cost = |point: &[f64], slope: &mut [f64]| {
        let (mean, variance) = process.slope(&whole(point), &mut mean_slope, &mut variance_slope);
        let mean = (mean, mean_slope.as_slice());
        let variance = (variance, variance_slope.as_slice());
        let value = log_expected_improvement_slope(mean, variance, best, slope);
        slope.iter_mut().for_each(|slope| *slope = -*slope);
        costs.map_or(0.0, |costs| costs.discount_slope(point, slope)) - value
    };
    let refined = scored
        .iter()
        .take(STARTS)
        .map(|(score, start)| {
            let mut bounds = bounds(space, start);
            for (bound, inner) in bounds.iter_mut().zip(&inner) {
                if bound.0 < bound.1 {
                    *bound = *inner;
                }
            }
            let refined = minimize(&mut cost, start, &bounds, EVALUATIONS, 1e-6);
            // Gradients see neither constraints nor running trials.
            let is_allowed = apart.allows(&refined.1) && space.allows(&space.at(&refined.1));
            if is_allowed { refined } else { (-score, start.clone()) }
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let chosen = refined.map(|(_, place)| space.at(&place));
    (chosen.unwrap_or_else(|| search.uniform()), best)
}

/// The places of running trials, from which a new one keeps a distance: even if a running trial is
/// assumed to give its expected value, the best place left is often beside it, where both would tell
/// the same.
///
/// The distance shrinks with the search: once trials lie close around the best one, workers must
/// come closer, too, or one of them alone could go on.
pub(super) struct Apart {
    running: Vec<Vec<f64>>,
    /// The least distance, in the unit cube; `None` if every parameter has steps, along which trials
    /// cannot be closer anyway.
    least: Option<f64>,
}

impl Apart {
    /// The bounds of the least distance, in the unit cube.
    const LEAST: (f64, f64) = (1e-4, 0.02);
    /// The least distance as a share of that between the best trial and the one next to it.
    const SHARE: f64 = 0.2;

    pub(super) fn of(search: &SearchState<'_>) -> Self {
        let running = search.trials.iter().filter(|trial| trial.segment().is_some());
        let running: Vec<Vec<f64>> =
            running.map(|trial| search.space.places(&trial.parameters)).collect();
        let counts = !running.is_empty() && search.space.cells().is_none();
        Self { least: counts.then(|| Self::least(search)), running }
    }

    fn least(search: &SearchState<'_>) -> f64 {
        let (low, high) = Self::LEAST;
        let history = search.history();
        let values: Vec<(&[f64], f64)> = history.values().collect();
        // Of equal ones the first.
        let best = (0..values.len())
            .reduce(|best, index| if values[index].1 > values[best].1 { index } else { best });
        let Some(best) = best else { return high };
        let center = search.space.places(values[best].0);
        let others = values.iter().enumerate().filter(|(index, _)| *index != best);
        let squares = others.map(|(_, (point, _))| square(&center, &search.space.places(point)));
        // Repetitions of the best trial say nothing.
        let nearest = squares.filter(|square| *square > 0.0).fold(f64::INFINITY, f64::min);
        (Self::SHARE * nearest.sqrt()).clamp(low, high)
    }

    /// Whether a place is far enough from all running trials.
    pub(super) fn allows(&self, place: &[f64]) -> bool {
        let Some(least) = self.least else { return true };
        self.running.iter().all(|other| square(other, place) >= least * least)
    }
}

/// The box in which a candidate is refined: only active parameters that take all values of their
/// range may change.
pub(super) fn bounds(space: &Space, start: &[f64]) -> Vec<(f64, f64)> {
    let free = space.free(&space.at(start));
    let pairs = free.into_iter().zip(start);
    pairs.map(|(free, place)| if free { (0.0, 1.0) } else { (*place, *place) }).collect()
}

/// The box in which improvement is looked for. With each axis cut into as many cells as there are
/// trials, it ends in the middle of the outermost cell, unless the best point is in that cell. At the
/// edges the process is least certain, and objectives most often break down (a momentum of 1).
fn inner(space: &Space, number: u32, best: &[f64]) -> Vec<(f64, f64)> {
    let cell = 1.0 / f64::from(number + 1);
    let side = |(parameter, best): (&Parameter, &f64)| {
        if !parameter.continuous() {
            return (0.0, 1.0);
        }
        let low = if *best <= cell { 0.0 } else { 0.5 * cell };
        let high = if *best >= 1.0 - cell { 1.0 } else { 1.0 - 0.5 * cell };
        (low, high)
    };
    space.parameters().iter().zip(best).map(side).collect()
}

/// The squared distance of two places.
fn square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
