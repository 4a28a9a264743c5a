//! A Gaussian process for few trials: unit-cube (or log) parameters, standardized values with the
//! bad tail compressed, Matérn-5/2 with a length for each parameter by MAP, fitted noise, log
//! expected improvement over the best posterior mean (Ament et al. 2023).

use super::uniform;
use crate::{
    fidelity::{Curve, history},
    gp::{
        Observations, Process, fit, fit_staged, log_expected_improvement,
        log_expected_improvement_slope, minimize,
    },
    history::History,
    pareto::dominated,
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
    let (points, values): (Vec<Vec<f64>>, Vec<f64>) = trials.into_iter().unzip();
    let Some((process, warped)) = fit(&points, &values, &unordered(space, 0)) else {
        return uniform(space, seed, number);
    };
    propose(space, seed, number, history, (process, points, warped), history.pending(), &[])
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
    let Some(fitted) = fit_curves(space, rungs, curves, 0) else {
        return uniform(space, seed, number);
    };
    // A trial that was stopped is one under way whose end nobody waits for.
    let most = rungs.last().copied().unwrap_or(1);
    let open = curves.iter().filter(|it| !it.failed && it.at(most).is_none());
    let believed: Vec<Vec<f64>> = open.map(|it| it.parameters.clone()).collect();
    propose(space, seed, number, &history, fitted, &believed, &[1.0])
}

/// The completed curve of the largest posterior mean: with noise, the largest value seen is a lucky
/// one.
pub(crate) fn best_staged<'a>(
    space: &Space,
    rungs: &[u32],
    curves: &'a [Curve],
) -> Option<&'a Curve> {
    let most = *rungs.last()?;
    let (process, ..) = fit_curves(space, rungs, curves, 0)?;
    let whole = curves.iter().filter(|it| !it.failed && it.at(most).is_some());
    let means = whole.map(|it| (process.at(&at_end(space, it)).0, it));
    means.reduce(|a, b| if b.0 > a.0 { b } else { a }).map(|it| it.1)
}

/// How many deviations a prediction may be wrong by before a trial is given up.
const HOPE: f64 = 1.0;

/// Numbers of the paused trials whose end, as far as the processes see (one an objective), is beaten
/// by a completed one (Swersky et al. 2014, "Freeze-thaw Bayesian optimization", with a kernel over
/// the length instead of a family of curves).
pub(crate) fn hopeless(space: &Space, rungs: &[u32], curves: &[Curve]) -> Vec<u32> {
    let objectives = curves.iter().find_map(|it| it.values.first()).map_or(0, Vec::len);
    let fitted = (0..objectives).map(|k| Some(fit_curves(space, rungs, curves, k)?.0));
    let Some(processes) = fitted.collect::<Option<Vec<Process>>>() else { return Vec::new() };
    let most = rungs.last().copied().unwrap_or(1);
    let at = |it: &Curve, hope: f64| -> Vec<f64> {
        let place = at_end(space, it);
        let each = processes.iter().map(|it| it.at(&place));
        each.map(|(mean, variance)| mean + hope * variance.sqrt()).collect()
    };
    let whole: Vec<Vec<f64>> = curves
        .iter()
        .filter(|it| !it.failed && it.at(most).is_some())
        .map(|it| at(it, 0.0))
        .collect();
    let paused = curves.iter().filter(|it| !it.failed && it.at(most).is_none());
    let gone = paused.filter(|it| {
        let hoped = at(it, crate::x(2, HOPE));
        whole.iter().any(|other| dominated(&hoped, other))
    });
    gone.map(|it| it.number).collect()
}

/// Where a trial lies after the whole length.
fn at_end(space: &Space, curve: &Curve) -> Vec<f64> {
    let mut place = space.places(&curve.parameters);
    place.push(1.0);
    place
}

/// The process of an objective over parameters and the share of the logarithm of the length.
fn fit_curves(space: &Space, rungs: &[u32], curves: &[Curve], objective: usize) -> Option<Fitted> {
    let most = rungs.last().map_or(1.0, |it| f64::from(*it)).max(2.0).ln();
    let told = curves.iter().filter(|it| !it.failed && !it.values.is_empty());
    let (mut whole, mut early) = (Vec::new(), Vec::new());
    for curve in told {
        for rung in rungs.iter().filter(|it| curve.at(**it).is_some()) {
            // The last ninth's mean has less noise than its last value.
            let window = rung.div_ceil(9);
            let values =
                (rung - window + 1..=*rung).filter_map(|it| curve.at(it)?.get(objective));
            let value = values.sum::<f64>() / f64::from(window);
            let mut place = space.places(&curve.parameters);
            if Some(rung) == rungs.last() {
                place.push(1.0);
                whole.push((place, value));
            } else {
                place.push(f64::from(*rung).ln() / most);
                early.push((place, value));
            }
        }
    }
    let worst = whole.iter().chain(&early).map(|it| it.1).fold(f64::INFINITY, f64::min);
    let failed = curves.iter().filter(|it| it.failed && worst.is_finite());
    whole.extend(failed.map(|it| (at_end(space, it), worst)));
    for trials in [&mut whole, &mut early] {
        // Stable, so that equal values stay in the order of their numbers.
        trials.sort_by(|a, b| b.1.total_cmp(&a.1));
        thin(trials);
    }
    let count = whole.len();
    whole.append(&mut early);
    let (mut points, values): (Vec<Vec<f64>>, Vec<f64>) = whole.into_iter().unzip();
    let (process, seen, warped) = fit_staged(&points, &values, count, &unordered(space, 1))?;
    points.truncate(seen);
    Some((process, points, warped))
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

/// A process, the points it saw and their values as it sees them.
type Fitted = (Process, Vec<Vec<f64>>, Vec<f64>);

/// The next point by a process whose points end with their circumstances, if there are some, for the
/// circumstances `suffix`.
fn propose(
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
    (mut process, mut points, mut warped): Fitted,
    believed: &[Vec<f64>],
    suffix: &[f64],
) -> Vec<f64> {
    let unordered = unordered(space, suffix.len());
    // A trial under way is taken to give what is expected of it (kriging believer), so that
    // parallel workers do not all try the same point. It changes no mean, so one after another
    // comes to the same as all at once.
    for pending in believed {
        let mut place = space.places(pending);
        place.extend(suffix);
        warped.push(process.at(&place).0);
        points.push(place);
    }
    if !believed.is_empty()
        && let Some(with) = process.with(Observations::new(&points, &warped, &unordered))
    {
        process = with;
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
