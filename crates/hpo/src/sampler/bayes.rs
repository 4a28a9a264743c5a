//! A Gaussian process for few trials: unit-cube (or log) parameters, standardized values with the
//! bad tail compressed, Matérn-5/2 with a length for each parameter by MAP, fitted noise, log
//! expected improvement over the best posterior mean (Ament et al. 2023).

use super::uniform;
use crate::{
    fidelity::{Curve, history},
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
/// Curves from a quasi-random sequence: each tells more than a single value.
const INITIAL_CURVES: usize = 4;
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
    thin(&mut trials);
    propose(space, seed, number, history, trials, &[])
}

/// After trials that were stopped early: the process also knows for how long each value was trained
/// for, and is asked about the whole length. So it learns itself how much early values say, also
/// where curves cross.
pub(crate) fn suggest_staged(
    space: &Space,
    seed: u64,
    number: u32,
    rungs: &[u32],
    curves: &[Curve],
) -> Vec<f64> {
    let history = history(curves);
    let told = curves.iter().filter(|it| !it.failed && !it.values.is_empty());
    if told.clone().count() < INITIAL_CURVES {
        return space.at(&sobol(seed, "initial", number, space.dimensions()));
    }
    propose(space, seed, number, &history, staged_trials(space, rungs, curves), &[1.0])
}

/// The completed curve of the largest posterior mean: with noise, the largest value seen is a lucky
/// one.
pub(crate) fn best_staged<'a>(
    space: &Space,
    rungs: &[u32],
    curves: &'a [Curve],
) -> Option<&'a Curve> {
    let most = *rungs.last()?;
    let (points, values): (Vec<Vec<f64>>, Vec<f64>) =
        staged_trials(space, rungs, curves).into_iter().unzip();
    let (process, _) = fit(&points, &values, &unordered(space, 1))?;
    let mean = |it: &Curve| {
        let mut place = space.places(&it.parameters);
        place.push(1.0);
        process.at(&place).0
    };
    let whole = curves.iter().filter(|it| !it.failed && it.at(most).is_some());
    whole.map(|it| (mean(it), it)).reduce(|a, b| if b.0 > a.0 { b } else { a }).map(|it| it.1)
}

/// How many deviations a prediction may be wrong by before a trial is given up.
const HOPE: f64 = 1.0;

/// Numbers of the paused trials whose end, as far as the process sees, is not better than the best
/// one so far (Swersky et al. 2014, "Freeze-thaw Bayesian optimization", with a kernel over the
/// length instead of a family of curves).
pub(crate) fn hopeless(space: &Space, rungs: &[u32], curves: &[Curve]) -> Vec<u32> {
    let trials = staged_trials(space, rungs, curves);
    let (points, values): (Vec<Vec<f64>>, Vec<f64>) = trials.into_iter().unzip();
    let Some((process, _)) = fit(&points, &values, &unordered(space, 1)) else {
        return Vec::new();
    };
    let most = rungs.last().copied().unwrap_or(1);
    let at = |it: &Curve| {
        let mut place = space.places(&it.parameters);
        place.push(1.0);
        process.at(&place)
    };
    let whole = curves.iter().filter(|it| !it.failed && it.at(most).is_some());
    let best = whole.map(|it| at(it).0).fold(f64::NEG_INFINITY, f64::max);
    let paused = curves.iter().filter(|it| !it.failed && it.at(most).is_none());
    let gone = paused.filter(|it| {
        let (mean, variance) = at(it);
        mean + HOPE * variance.sqrt() < best
    });
    gone.map(|it| it.number).collect()
}

/// Places with the share of the logarithm of the length, and values there, best first.
fn staged_trials(space: &Space, rungs: &[u32], curves: &[Curve]) -> Vec<(Vec<f64>, f64)> {
    let most = rungs.last().map_or(1.0, |it| f64::from(*it)).max(2.0).ln();
    let told = curves.iter().filter(|it| !it.failed && !it.values.is_empty());
    let mut trials: Vec<(Vec<f64>, f64)> = told
        .flat_map(|curve| {
            let place = space.places(&curve.parameters);
            rungs.iter().filter_map(move |rung| {
                curve.at(*rung)?;
                // The last ninth's mean has less noise than its last value.
                let window = rung.div_ceil(9);
                let values = (rung - window + 1..=*rung).filter_map(|it| curve.at(it)?.first());
                let mut place = place.clone();
                place.push(f64::from(*rung).ln() / most);
                Some((place, values.sum::<f64>() / f64::from(window)))
            })
        })
        .collect();
    let worst = trials.iter().map(|it| it.1).fold(f64::INFINITY, f64::min);
    trials.extend(curves.iter().filter(|it| it.failed && worst.is_finite()).map(|curve| {
        let mut place = space.places(&curve.parameters);
        place.push(1.0);
        (place, worst)
    }));
    // Stable, so that equal values stay in the order of their numbers.
    trials.sort_by(|a, b| b.1.total_cmp(&a.1));
    thin(&mut trials);
    trials
}

/// Which coordinates have no order; those of the circumstances have one.
fn unordered(space: &Space, circumstances: usize) -> Vec<bool> {
    let parameters = space.parameters().iter().map(|it| it.kind == Kind::Categorical);
    parameters.chain(std::iter::repeat_n(false, circumstances)).collect()
}

/// The best half of what is seen, and every so-many-th of the rest.
fn thin(trials: &mut Vec<(Vec<f64>, f64)>) {
    if trials.len() > SEEN {
        let rest = trials.split_off(SEEN / 2);
        let every = rest.len().div_ceil(SEEN / 2);
        trials.extend(rest.into_iter().step_by(every));
    }
}

/// The next point after places (each with the suffix of its circumstances, if there is one) and
/// their values, best first, for the circumstances `suffix`.
fn propose(
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
    trials: Vec<(Vec<f64>, f64)>,
    suffix: &[f64],
) -> Vec<f64> {
    let (mut points, values): (Vec<Vec<f64>>, Vec<f64>) = trials.into_iter().unzip();
    let unordered = unordered(space, suffix.len());
    let Some((mut process, mut warped)) = fit(&points, &values, &unordered) else {
        return uniform(space, seed, number);
    };
    // A trial under way is taken to give what is expected of it (kriging believer), so that
    // parallel workers do not all try the same point.
    for pending in history.pending() {
        let mut place = space.places(pending);
        place.extend(suffix);
        warped.push(process.at(&place).0);
        points.push(place);
        let believed = process.with(Observations::new(&points, &warped, &unordered));
        let Some(believed) = believed else { break };
        process = believed;
    }
    let chosen = maximize(&process, space, seed, number, history, suffix);
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
    suffix: &[f64],
) -> Vec<f64> {
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
        log_expected_improvement(mean, variance.sqrt(), best)
    };

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

    let width = observations.dimensions;
    let (mut mean_slope, mut variance_slope) = (vec![0.0; width], vec![0.0; width]);
    let mut cost = |point: &[f64], slope: &mut [f64]| {
        let (mean, variance) = process.slope(&whole(point), &mut mean_slope, &mut variance_slope);
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
