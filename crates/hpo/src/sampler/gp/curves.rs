//! One objective, with trials that are stopped early.

use super::one::propose;
use crate::{cost::CostModel, curves::fit_curves, search::SearchState, trial::Trial};

/// Curves from a quasi-random sequence before the first fit: each tells more than a single value.
const INITIAL: usize = 4;

/// The process also knows for how many steps each value was trained, and is asked about the whole
/// length. It learns by itself how much early values say about late ones, also where curves cross.
pub(super) fn suggest(search: &SearchState<'_>) -> Vec<f64> {
    let (space, trials) = (search.space, search.trials);
    let has_values = |trial: &&Trial| !trial.has_failed() && !trial.values.is_empty();
    if trials.iter().filter(has_values).count() < INITIAL {
        return space.spread(search.seed, "initial", search.number);
    }
    let Some(fitted) = fit_curves(space, &search.rungs, trials, 0) else {
        return search.uniform();
    };
    // A stopped trial counts as running, and is assumed to give its expected final value.
    let open = trials.iter().filter(|trial| !trial.has_failed() && !trial.is_completed());
    let believed: Vec<&[f64]> = open.map(|trial| trial.parameters.as_slice()).collect();
    // Costs per step, so that trials that were stopped do not count as cheap.
    let costs = trials.iter().filter(|trial| trial.steps() > 0).filter_map(|trial| {
        Some((trial.parameters.as_slice(), trial.cost? / f64::from(trial.steps())))
    });
    let exponent = search.budget_left;
    let costs = (exponent > 0.0).then(|| CostModel::new(space, costs, exponent)).flatten();
    propose(search, fitted, &believed, &[1.0], costs.as_ref()).parameters
}
