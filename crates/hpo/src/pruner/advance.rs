//! What to run next.

use super::{
    bracket,
    kind::{Pruner, Rungs},
    rank::{above_median, among_best},
    trust,
};
use crate::trial::{Trial, TrialState};

/// What to run next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Advance {
    /// A new trial.
    Start {
        /// Up to this step.
        until: u32,
    },
    /// A trial that is paused.
    Resume {
        /// Its number.
        number: u32,
        /// Up to this step.
        until: u32,
    },
}

/// The first trials, this many, run to the end whatever values they give.
const PROBES: u32 = 8;
/// Later one trial of this many runs to the end.
const PROBE_EVERY: u32 = 8;

/// What to run next: a pure function of the trials so far, in the order of their numbers.
///
/// `hopeless` are the numbers of the paused trials that a Gaussian process gives up; `None` if no
/// process is used.
pub(crate) fn advance(
    pruner: Pruner,
    rungs: Rungs,
    trials: &[Trial],
    hopeless: Option<&[u32]>,
) -> Advance {
    // The longest first, so that results come early.
    let mut waiting: Vec<&Trial> = trials.iter().collect();
    waiting.sort_by_key(|trial| (std::cmp::Reverse(trial.steps()), trial.number));
    for trial in waiting {
        if let Some(until) = goes_on(pruner, rungs, trials, trial, hopeless) {
            return Advance::Resume { number: trial.number, until };
        }
    }
    let next = trials.iter().map(|trial| trial.number + 1).max().unwrap_or(0);
    Advance::Start { until: first_until(pruner, rungs, next) }
}

/// The step up to which a new trial runs at first.
pub(crate) fn first_until(pruner: Pruner, rungs: Rungs, number: u32) -> u32 {
    let lengths = rungs.lengths();
    match pruner {
        _ if is_probe(pruner, number) => rungs.most.max(1),
        Pruner::Median => 1,
        Pruner::Halving | Pruner::Hyperband => {
            bracket::of(&lengths, rungs.factor.max(2) as usize, pruner, number).first
        }
        _ => lengths[0],
    }
}

/// The first step after `step` at which trials are compared; `None` at the end.
pub(crate) fn next_until(pruner: Pruner, rungs: Rungs, step: u32) -> Option<u32> {
    match pruner {
        Pruner::Median => Some(step + 1).filter(|next| *next <= rungs.most),
        _ => rungs.lengths().into_iter().find(|rung| *rung > step),
    }
}

/// Whether a trial runs to the end whatever values it gives.
fn is_probe(pruner: Pruner, number: u32) -> bool {
    match pruner {
        Pruner::Never => true,
        // Until some trial is completed, none is hopeless.
        Pruner::Posterior => false,
        _ => number < PROBES || number % PROBE_EVERY == PROBE_EVERY - 1,
    }
}

/// The step up to which a paused trial goes on now; `None` if it stays paused, runs or has ended.
pub(crate) fn goes_on(
    pruner: Pruner,
    rungs: Rungs,
    trials: &[Trial],
    trial: &Trial,
    hopeless: Option<&[u32]>,
) -> Option<u32> {
    let (lengths, most) = (rungs.lengths(), rungs.most.max(1));
    let factor = rungs.factor.max(2) as usize;
    if trial.state != TrialState::Paused {
        return None;
    }
    let step = trial.steps();
    let probe = |number| is_probe(pruner, number);
    let until = match pruner {
        _ if probe(trial.number) => return Some(most),
        // Each step is judged.
        Pruner::Median => step + 1,
        _ => lengths.iter().copied().find(|rung| *rung > step).unwrap_or(most),
    };
    let is_between_rungs = pruner != Pruner::Median && !lengths.contains(&step);
    let is_guarded = || pruner != Pruner::Posterior && !trust::trusted(trials, step, most);
    let is_good = || match pruner {
        Pruner::Never => true,
        Pruner::Posterior => false,
        Pruner::Asha => among_best(trials, trial, factor),
        Pruner::Median => above_median(trials, trial),
        Pruner::Halving | Pruner::Hyperband => {
            bracket::promoted(&lengths, factor, pruner, trials, trial, probe)
        }
    };
    // The process may keep a trial that ranks would stop.
    let has_hope = || hopeless.is_some_and(|all| !all.contains(&trial.number));
    (is_between_rungs || is_guarded() || is_good() || has_hope()).then_some(until)
}
