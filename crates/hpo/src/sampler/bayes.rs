//! A Gaussian process for few trials: unit-cube (or log) parameters, standardized values with the
//! bad tail compressed, Matérn-5/2 with a length for each parameter by MAP, fitted noise, log
//! expected improvement over the best posterior mean.

use super::uniform;
use crate::{
    gp::{
        Observations, Process, fit, log_expected_improvement, log_expected_improvement_slope,
        minimize,
    },
    history::History,
    random::{Stream, sobol},
    space::{Kind, Space},
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
/// Trials that the process sees: the best half, and the latest of the others. Its cost grows with
/// their cube.
const SEEN: usize = 320;

pub(super) fn suggest(space: &Space, seed: u64, number: u32, history: &History) -> Vec<f64> {
    let mut trials: Vec<(Vec<f64>, f64)> =
        history.values().map(|(point, value)| (space.places(point), value)).collect();
    if trials.len() < INITIAL {
        return space.at(&sobol(seed, "initial", number, space.dimensions()));
    }
    // A failed trial counts as the worst that did not fail: its neighborhood is to be left.
    let worst = trials.iter().map(|it| it.1).fold(f64::INFINITY, f64::min);
    trials.extend(history.failed().map(|point| (space.places(point), worst)));
    // Stable, so that equal values stay in the order of their numbers.
    trials.sort_by(|a, b| b.1.total_cmp(&a.1));
    if trials.len() > SEEN {
        let rest = trials.split_off(SEEN / 2);
        let every = rest.len().div_ceil(SEEN / 2);
        trials.extend(rest.into_iter().step_by(every));
    }
    let (mut points, values): (Vec<Vec<f64>>, Vec<f64>) = trials.into_iter().unzip();
    let unordered: Vec<bool> =
        space.parameters().iter().map(|it| it.kind == Kind::Categorical).collect();
    let Some((mut process, mut warped)) = fit(&points, &values, &unordered) else {
        return uniform(space, seed, number);
    };
    // A trial under way is taken to give what is expected of it (kriging believer), so that
    // parallel workers do not all try the same point.
    for pending in history.pending() {
        let place = space.places(pending);
        warped.push(process.at(&place).0);
        points.push(place);
        let believed = process.with(Observations::new(&points, &warped, &unordered));
        let Some(believed) = believed else { break };
        process = believed;
    }
    let chosen = maximize(&process, space, seed, number, history);
    // A point that was tried tells nothing new on a deterministic objective.
    let place = space.places(&chosen);
    if points.iter().any(|it| distance(it, &place) < 1e-9) {
        return uniform(space, seed, number);
    }
    chosen
}

/// The point of the largest expected improvement: the best of many candidates, refined by their
/// gradients.
fn maximize(
    process: &Process,
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
) -> Vec<f64> {
    let observations = process.observations();
    let dimensions = observations.dimensions;
    let mut means: Vec<(f64, usize)> =
        (0..observations.len()).map(|i| (process.at(observations.point(i)).0, i)).collect();
    means.sort_by(|a, b| b.0.total_cmp(&a.0));
    let best = means[0].0;
    let score = |place: &[f64]| {
        let (mean, variance) = process.at(place);
        log_expected_improvement(mean, variance.sqrt(), best)
    };

    let mut random = Stream::new(seed, number, "acquisition");
    let mut candidates: Vec<Vec<f64>> = (0..CANDIDATES)
        .map(|index| sobol(seed ^ (u64::from(number) << 32), "candidates", index, dimensions))
        .collect();
    for index in 0..NEIGHBORS {
        let (_, center) = means[index % means.len().min(4)];
        // From a tenth of the range down to a thousandth.
        let width = 10.0_f64.powf(-1.0 - 2.0 * random.unit());
        let center = observations.point(center).to_vec();
        candidates.push(
            center
                .iter()
                .zip(space.parameters())
                .map(|(it, parameter)| match parameter.kind {
                    Kind::Real => (it + width * random.normal()).clamp(0.0, 1.0),
                    // Most whole numbers stay, so that neighbors differ in few of them.
                    _ if random.unit() < 0.7 => *it,
                    Kind::Integer => (it + 0.2 * random.normal()).clamp(0.0, 1.0),
                    Kind::Categorical => random.unit(),
                })
                .collect(),
        );
    }
    let finite = space.cells().is_some();
    let mut scored: Vec<(f64, Vec<f64>)> = candidates
        .into_iter()
        .filter_map(|it| {
            // What would be tried: whole numbers are.
            let point = space.at(&it);
            let place = space.places(&point);
            (!(finite && history.tried(&point))).then(|| (score(&place), place))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    if finite {
        return scored
            .first()
            .map_or_else(|| uniform(space, seed, number), |(_, place)| space.at(place));
    }

    let (mut mean_slope, mut variance_slope) = (vec![0.0; dimensions], vec![0.0; dimensions]);
    let mut cost = |point: &[f64], slope: &mut [f64]| {
        let (mean, variance) = process.slope(point, &mut mean_slope, &mut variance_slope);
        let mean = (mean, mean_slope.as_slice());
        let variance = (variance, variance_slope.as_slice());
        let value = log_expected_improvement_slope(mean, variance, best, slope);
        slope.iter_mut().for_each(|it| *it = -*it);
        -value
    };
    scored
        .iter()
        .take(STARTS)
        .map(|(_, start)| {
            // Only real parameters have a slope to follow.
            let bounds: Vec<(f64, f64)> = space
                .parameters()
                .iter()
                .zip(start)
                .map(|(it, at)| if it.kind == Kind::Real { (0.0, 1.0) } else { (*at, *at) })
                .collect();
            minimize(&mut cost, start, &bounds, EVALUATIONS, 1e-6)
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map_or_else(|| uniform(space, seed, number), |(_, place)| space.at(&place))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
