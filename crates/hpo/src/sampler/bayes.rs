//! A Gaussian process for few trials: unit-cube (or log) parameters, standardized values with the
//! bad tail compressed, Matérn-5/2 with a length for each parameter by MAP, fitted noise, log
//! expected improvement over the best posterior mean (Ament et al. 2023).

use super::{Suggestion, uniform};
use crate::{
    cost::CostModel,
    gp::{
        Observations, Process, Warped, expected_improvement, fit, log_expected_improvement,
        log_expected_improvement_slope, minimize,
    },
    history::History,
    random::{Stream, sobol},
    space::{Kind, Parameter, Space},
};

/// Trials from a quasi-random sequence before the first fit.
const INITIAL: usize = 6;
/// Candidates from a quasi-random sequence, and around good points.
const CANDIDATES: u32 = 256;
const NEIGHBORS: usize = 64;
/// Candidates that are refined.
const STARTS: usize = 6;
/// Evaluations of a refinement.
const EVALUATIONS: usize = 40;
/// Trials that the process sees: the best ones for half of it, and every so-many-th of the others.
/// Its cost grows with their cube.
const SEEN: usize = 320;

pub(super) fn suggest(space: &Space, seed: u64, number: u32, history: &History) -> Suggestion {
    let mut trials: Vec<(Vec<f64>, f64)> =
        history.values().map(|(point, value)| (space.places(point), value)).collect();
    if trials.len() < INITIAL {
        return space.spread(seed, "initial", number).into();
    }
    // A failed trial counts as the worst that did not fail: its neighborhood is to be left.
    let worst = trials.iter().map(|it| it.1).fold(f64::INFINITY, f64::min);
    trials.extend(history.failed().map(|point| (space.places(point), worst)));
    // Stable, so that equal values stay in the order of their numbers.
    trials.sort_by(|a, b| b.1.total_cmp(&a.1));
    thin(&mut trials);
    let (points, values): (Vec<Vec<f64>>, Vec<f64>) = trials.into_iter().unzip();
    let Some((process, warped)) = fit(&points, &values, &space.unordered()) else {
        return uniform(space, seed, number).into();
    };
    let costs = CostModel::new(space, history.costs(), history.cooling());
    let fitted = (process, points, warped);
    propose(space, seed, number, history, fitted, (history.pending(), &[]), costs.as_ref())
}

/// The best half of what is seen, and every so-many-th of the rest.
pub(super) fn thin(trials: &mut Vec<(Vec<f64>, f64)>) {
    if trials.len() > SEEN {
        let rest = trials.split_off(SEEN / 2);
        let every = rest.len().div_ceil(SEEN / 2);
        trials.extend(rest.into_iter().step_by(every));
    }
}

/// A process, the points it saw and their values as it sees them.
pub(super) type Fitted = (Process, Vec<Vec<f64>>, Warped);

/// The next point by a process whose points end with their circumstances, if there are some, for the
/// circumstances `suffix`, if those `believed` in give what is expected of them.
pub(super) fn propose(
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
    (mut process, mut points, mut warped): Fitted,
    (believed, suffix): (&[Vec<f64>], &[f64]),
    costs: Option<&CostModel>,
) -> Suggestion {
    let unordered = [space.unordered(), vec![false; suffix.len()]].concat();
    // A trial under way is taken to give what is expected of it (kriging believer), so that
    // parallel workers do not all try the same point. It changes no mean, so one after another
    // comes to the same as all at once.
    for pending in believed {
        let mut place = space.places(pending);
        place.extend(suffix);
        warped.values.push(process.at(&place).0);
        points.push(place);
    }
    if !believed.is_empty()
        && let Some(with) = process.with(Observations::new(&points, &warped.values, &unordered))
    {
        process = with;
    }
    let cooled = costs.filter(|it| it.counts());
    let (chosen, best) = maximize(&process, space, seed, number, history, suffix, cooled);
    // A point that was tried tells nothing new on a deterministic objective.
    let place = space.places(&chosen);
    if points.iter().any(|it| distance(it, &place) < 1e-9) {
        return uniform(space, seed, number).into();
    }
    let (mean, variance) = process.at(&[&place, suffix].concat());
    let gain = expected_improvement(mean, variance.sqrt(), best)[0] * warped.unit;
    Suggestion {
        parameters: chosen,
        // Equal values say nothing about what another could give.
        gain: (warped.unit > 0.0).then_some(gain),
        cost: costs.map(|it| it.expected(&place)),
    }
}

/// The point of the largest expected improvement, and the mean to beat: the best of many candidates,
/// refined by their gradients.
fn maximize(
    process: &Process,
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
    suffix: &[f64],
    costs: Option<&CostModel>,
) -> (Vec<f64>, f64) {
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
        gain - costs.map_or(0.0, |it| it.discount(place))
    };

    let inner = inner(space, number, &means[0].1);
    let mut random = Stream::new(seed, number, "acquisition");
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
                .map(|(it, parameter)| match parameter.kind {
                    _ if parameter.continuous() => (it + width * random.normal()).clamp(0.0, 1.0),
                    // Most whole numbers stay, so that neighbors differ in few of them.
                    _ if random.unit() < 0.7 => *it,
                    Kind::Categorical => random.unit(),
                    _ => (it + 0.2 * random.normal()).clamp(0.0, 1.0),
                })
                .collect(),
        );
    }
    if space.is_constrained() {
        candidates.extend((0..NEIGHBORS).map(|_| space.places(&space.draw(&mut random))));
    }
    let finite = space.cells().is_some();
    let mut scored: Vec<(f64, Vec<f64>)> = candidates
        .into_iter()
        .filter_map(|mut it| {
            it.iter_mut().zip(&inner).for_each(|(it, (low, high))| *it = it.clamp(*low, *high));
            // What would be tried: whole numbers are.
            let point = space.at(&it);
            let place = space.places(&point);
            (space.allows(&point) && !(finite && history.tried(&point)))
                .then(|| (score(&place), place))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    if finite {
        let first = scored.first().map(|(_, place)| space.at(place));
        return (first.unwrap_or_else(|| uniform(space, seed, number)), best);
    }

    let width = observations.dimensions;
    let (mut mean_slope, mut variance_slope) = (vec![0.0; width], vec![0.0; width]);
    let mut cost = |point: &[f64], slope: &mut [f64]| {
        let (mean, variance) = process.slope(&whole(point), &mut mean_slope, &mut variance_slope);
        let mean = (mean, mean_slope.as_slice());
        let variance = (variance, variance_slope.as_slice());
        let value = log_expected_improvement_slope(mean, variance, best, slope);
        slope.iter_mut().for_each(|it| *it = -*it);
        costs.map_or(0.0, |it| it.discount_slope(point, slope)) - value
    };
    let refined = scored
        .iter()
        .take(STARTS)
        .map(|(score, start)| {
            let mut bounds = bounds(space, start);
            for (bound, inner) in bounds.iter_mut().zip(&inner).filter(|it| it.0.0 < it.0.1) {
                *bound = *inner;
            }
            let refined = minimize(&mut cost, start, &bounds, EVALUATIONS, 1e-6);
            // Slopes know no constraints.
            if space.allows(&space.at(&refined.1)) { refined } else { (-score, start.clone()) }
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let chosen = refined.map(|(_, place)| space.at(&place));
    (chosen.unwrap_or_else(|| uniform(space, seed, number)), best)
}

/// How far a refinement may go: only parameters that matter and take all values have a slope to
/// follow.
pub(super) fn bounds(space: &Space, start: &[f64]) -> Vec<(f64, f64)> {
    let free = space.free(&space.at(start));
    free.into_iter().zip(start).map(|(it, at)| if it { (0.0, 1.0) } else { (*at, *at) }).collect()
}

/// Where improvement is looked for: no closer to an edge than the middle of the outermost of as many
/// cells as there are trials, unless the best point lies in that cell. Edges are what processes know
/// least of, and where objectives most often break down (a momentum of 1).
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

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
