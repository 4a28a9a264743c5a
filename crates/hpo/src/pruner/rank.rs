//! Comparing trials after the same number of steps.

use crate::{pareto::dominated, trial::Trial};

/// The median rule needs at least this many other trials to stop a trial.
const MEDIAN_TRIALS: usize = 5;
/// The median rule stops no trial before this step.
const MEDIAN_STEPS: u32 = 3;

/// Whether fewer than 1/factor of the trials that came as far are better.
pub(super) fn among_best(trials: &[Trial], trial: &Trial, factor: usize) -> bool {
    let step = trial.steps();
    let Some(own) = trial.at(step) else { return false };
    let (mut all, mut better) = (0, 0);
    for other in trials {
        let Some(values) = other.at(step) else { continue };
        all += 1;
        better += usize::from(precedes(values, other.number, own, trial.number));
    }
    better < all / factor
}

/// Whether result `a` ranks before result `b`: it dominates `b`, or is equal and has the lower number.
pub(super) fn precedes(a: &[f64], a_number: u32, b: &[f64], b_number: u32) -> bool {
    dominated(b, a) || (a == b && a_number < b_number)
}

/// Whether at most half of the other trials dominate this one after the same number of steps.
pub(super) fn above_median(trials: &[Trial], trial: &Trial) -> bool {
    let step = trial.steps();
    let Some(own) = trial.at(step) else { return true };
    let others: Vec<&[f64]> = trials
        .iter()
        .filter(|other| other.number != trial.number)
        .filter_map(|other| other.at(step))
        .collect();
    let better = others.iter().filter(|other| dominated(own, other)).count();
    step < MEDIAN_STEPS || others.len() < MEDIAN_TRIALS || 2 * better <= others.len()
}
