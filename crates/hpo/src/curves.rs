//! A Gaussian process over parameters and steps: what trials that were stopped early say about the
//! end.

use crate::{
    gp::{Fitted, Process, fit_staged, thin},
    pareto::dominated,
    space::Space,
    trial::{Trial, TrialState},
};

/// The completed trial with the largest posterior mean of the first objective; `None` if no trial is
/// completed. With noise, the largest value observed is a lucky one.
pub(crate) fn best_by_mean<'a>(
    space: &Space,
    rungs: &[u32],
    trials: &'a [Trial],
) -> Option<&'a Trial> {
    let Fitted { process, .. } = fit_curves(space, rungs, trials, 0)?;
    let completed = trials.iter().filter(|trial| trial.is_completed());
    let means = completed.map(|trial| (process.at(&at_end(space, trial)).0, trial));
    means.reduce(|a, b| if b.0 > a.0 { b } else { a }).map(|(_, trial)| trial)
}

/// A trial is given up only if its predicted end plus this many deviations is worse than a completed
/// trial.
const HOPE: f64 = 1.0;

/// Numbers of the paused trials that are predicted to end worse than a completed one (Swersky et al.
/// 2014, "Freeze-thaw Bayesian optimization", with a kernel over the steps instead of a family of
/// curves). There is one process per objective.
pub(crate) fn hopeless(space: &Space, rungs: &[u32], trials: &[Trial]) -> Vec<u32> {
    let objectives = trials.iter().find_map(|trial| trial.values.first()).map_or(0, Vec::len);
    let fitted = (0..objectives).map(|k| Some(fit_curves(space, rungs, trials, k)?.process));
    let Some(processes) = fitted.collect::<Option<Vec<Process>>>() else { return Vec::new() };
    let predicted = |trial: &Trial, hope: f64| -> Vec<f64> {
        let place = at_end(space, trial);
        let each = processes.iter().map(|process| process.at(&place));
        each.map(|(mean, variance)| mean + hope * variance.sqrt()).collect()
    };
    let completed: Vec<Vec<f64>> = trials
        .iter()
        .filter(|trial| trial.is_completed())
        .map(|trial| predicted(trial, 0.0))
        .collect();
    let paused = trials.iter().filter(|trial| trial.state == TrialState::Paused);
    let given_up = paused.filter(|trial| {
        let hoped = predicted(trial, HOPE);
        completed.iter().any(|other| dominated(&hoped, other))
    });
    given_up.map(|trial| trial.number).collect()
}

/// The place of a trial after its last step.
fn at_end(space: &Space, trial: &Trial) -> Vec<f64> {
    let mut place = space.places(&trial.parameters);
    place.push(1.0);
    place
}

/// The process of one objective over the parameters and, as a last coordinate, the logarithm of the
/// steps as a share of that of all steps. `None` if there are no values.
pub(crate) fn fit_curves(
    space: &Space,
    rungs: &[u32],
    trials: &[Trial],
    objective: usize,
) -> Option<Fitted> {
    let most = rungs.last().map_or(1.0, |rung| f64::from(*rung)).max(2.0).ln();
    let told = trials.iter().filter(|trial| !trial.has_failed() && !trial.values.is_empty());
    let (mut whole, mut early) = (Vec::new(), Vec::new());
    for trial in told {
        for rung in rungs.iter().filter(|rung| trial.at(**rung).is_some()) {
            // The mean of the last ninth of the steps has less noise than the last value.
            let window = rung.div_ceil(9);
            let values =
                (rung - window + 1..=*rung).filter_map(|step| trial.at(step)?.get(objective));
            let value = values.sum::<f64>() / f64::from(window);
            let mut place = space.places(&trial.parameters);
            if Some(rung) == rungs.last() {
                place.push(1.0);
                whole.push((place, value));
            } else {
                place.push(f64::from(*rung).ln() / most);
                early.push((place, value));
            }
        }
    }
    let worst = whole.iter().chain(&early).map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let failed = trials.iter().filter(|trial| trial.has_failed() && worst.is_finite());
    whole.extend(failed.map(|trial| (at_end(space, trial), worst)));
    for observations in [&mut whole, &mut early] {
        // A stable sort, so that equal values stay in the order of their numbers.
        observations.sort_by(|a, b| b.1.total_cmp(&a.1));
        thin(observations);
    }
    let count = whole.len();
    whole.append(&mut early);
    let (mut points, values): (Vec<Vec<f64>>, Vec<f64>) = whole.into_iter().unzip();
    let (process, seen, warped) =
        fit_staged(&points, &values, count, &[space.unordered(), vec![false]].concat())?;
    points.truncate(seen);
    Some(Fitted { process, points, warped })
}
