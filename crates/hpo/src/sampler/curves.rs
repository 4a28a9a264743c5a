//! A Gaussian process of learning curves: over the parameters and the length of training.

use super::{
    bayes::{Fitted, propose, thin},
    uniform,
};
use crate::{
    cost::CostModel,
    fidelity::{Curve, history},
    gp::{Process, fit_staged},
    pareto::dominated,
    space::Space,
};

/// Curves from a quasi-random sequence: each tells more than a single value.
const INITIAL: usize = 4;

/// After trials that were stopped early: the process also knows for how long each value was trained
/// for, and is asked about the whole length. So it learns itself how much early values say, also
/// where curves cross.
pub(crate) fn suggest_staged(
    space: &Space,
    seed: u64,
    number: u32,
    rungs: &[u32],
    curves: &[Curve],
    exponent: f64,
) -> Vec<f64> {
    let history = history(curves);
    let told = curves.iter().filter(|it| !it.failed && !it.values.is_empty());
    if told.clone().count() < INITIAL {
        return space.spread(seed, "initial", number);
    }
    let Some(fitted) = fit_curves(space, rungs, curves, 0) else {
        return uniform(space, seed, number);
    };
    // A trial that was stopped is one under way whose end nobody waits for.
    let most = rungs.last().copied().unwrap_or(1);
    let open = curves.iter().filter(|it| !it.failed && it.at(most).is_none());
    let believed: Vec<Vec<f64>> = open.map(|it| it.parameters.clone()).collect();
    // Per epoch, so that trials that were stopped are not taken for cheap ones.
    let each = curves.iter().filter(|it| it.epochs() > 0);
    let costs =
        each.filter_map(|it| Some((it.parameters.as_slice(), it.cost? / f64::from(it.epochs()))));
    let costs = (exponent > 0.0).then(|| CostModel::new(space, costs, exponent)).flatten();
    let believed = (believed.as_slice(), [1.0].as_slice());
    propose(space, seed, number, &history, fitted, believed, costs.as_ref()).parameters
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
    let paused =
        curves.iter().filter(|it| !it.failed && it.until.is_none() && it.at(most).is_none());
    let gone = paused.filter(|it| {
        let hoped = at(it, HOPE);
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
            let values = (rung - window + 1..=*rung).filter_map(|it| curve.at(it)?.get(objective));
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
    let (process, seen, warped) =
        fit_staged(&points, &values, count, &[space.unordered(), vec![false]].concat())?;
    points.truncate(seen);
    Some((process, points, warped))
}
