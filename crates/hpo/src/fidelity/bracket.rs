//! Rounds of successive halving, one after another by trial number.

use super::{Curve, Pruner, precedes};

/// A round: trials `start..start + size`, begun with `first` epochs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bracket {
    pub(super) start: u32,
    pub(super) size: u32,
    pub(super) first: u32,
}

/// The bracket of a trial. Hyperband's are ⌈(s + 1) / (k + 1) · factorᵏ⌉ trials that have k rungs to
/// climb, k from s down to 0, over and over; halving has only those with k = s.
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

/// Whether its round is complete at its rung, and it is among those that go on.
pub(super) fn promoted(
    lengths: &[u32],
    factor: usize,
    pruner: Pruner,
    curves: &[Curve],
    curve: &Curve,
    probe: impl Fn(u32) -> bool,
) -> bool {
    let bracket = of(lengths, factor, pruner, curve.number);
    let epochs = curve.epochs();
    let rungs_below = lengths.iter().filter(|it| (bracket.first..epochs).contains(it)).count();
    let expected = bracket.size as usize / factor.pow(rungs_below as u32);
    let round = curves.iter().filter(|it| {
        it.number >= bracket.start && it.number - bracket.start < bracket.size && !probe(it.number)
    });
    let (mut here, mut failed, mut better) = (0, 0, 0);
    let Some(own) = curve.at(epochs) else { return false };
    for it in round {
        failed += usize::from(it.failed);
        let Some(value) = it.at(epochs) else { continue };
        here += 1;
        better += usize::from(precedes(value, it.number, own, curve.number));
    }
    let probes =
        (bracket.start..bracket.start.saturating_add(bracket.size)).filter(|it| probe(*it)).count();
    here + failed + probes >= expected && better < (expected / factor).max(1)
}
