//! Rounds of successive halving, one after another by trial number.

use super::{kind::Pruner, rank::precedes};
use crate::trial::Trial;

/// A round: trials `start` to `start + size − 1`, which begin with `first` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    pub(super) start: u32,
    pub(super) size: u32,
    pub(super) first: u32,
}

/// The bracket of a trial.
///
/// With s + 1 rungs, Hyperband's brackets hold ⌈(s + 1) / (k + 1) · factorᵏ⌉ trials that have k rungs
/// to climb, for k from s down to 0, over and over. Halving has only brackets with k = s.
pub(super) fn of(lengths: &[u32], factor: usize, pruner: Pruner, number: u32) -> Bracket {
    let top = lengths.len() - 1;
    let (mut start, mut climbs) = (0, top);
    loop {
        let many = factor.saturating_pow(climbs as u32).saturating_mul(top + 1);
        let size = u32::try_from(many.div_ceil(climbs + 1)).unwrap_or(u32::MAX);
        if number - start < size {
            return Bracket { start, size, first: lengths[top - climbs] };
        }
        start += size;
        climbs = match (pruner, climbs) {
            (Pruner::Halving, _) | (_, 0) => top,
            _ => climbs - 1,
        };
    }
}

/// Whether all trials of the bracket have reached the trial's rung, and the trial is among those that
/// go on.
pub(super) fn promoted(
    lengths: &[u32],
    factor: usize,
    pruner: Pruner,
    trials: &[Trial],
    trial: &Trial,
    is_probe: impl Fn(u32) -> bool,
) -> bool {
    let bracket = of(lengths, factor, pruner, trial.number);
    let step = trial.steps();
    let rungs_below = lengths.iter().filter(|rung| (bracket.first..step).contains(rung)).count();
    let expected = bracket.size as usize / factor.pow(rungs_below as u32);
    let round = trials.iter().filter(|other| {
        other.number >= bracket.start
            && other.number - bracket.start < bracket.size
            && !is_probe(other.number)
    });
    let (mut here, mut failed, mut better) = (0, 0, 0);
    let Some(own) = trial.at(step) else { return false };
    for other in round {
        failed += usize::from(other.has_failed());
        let Some(values) = other.at(step) else { continue };
        here += 1;
        better += usize::from(precedes(values, other.number, own, trial.number));
    }
    let numbers = bracket.start..bracket.start.saturating_add(bracket.size);
    let probes = numbers.filter(|number| is_probe(*number)).count();
    here + failed + probes >= expected && better < (expected / factor).max(1)
}
