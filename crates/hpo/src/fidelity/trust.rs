//! What early values say about late ones, as far as curves to the end show.

use super::Curve;
use crate::pareto::dominated;

/// Curves to the end below which nobody is stopped.
const CURVES: usize = 3;
/// The share of pairs whose order must be the same, with one more that is not: few pairs agree by
/// chance.
const SHARE: f64 = 0.8;

/// Whether the order after so many epochs is mostly that at the end.
///
/// Pairs of two bad trials say nothing about what would be lost, so only those count that hold one of
/// the better half.
pub(super) fn trusted(curves: &[Curve], epochs: u32, most: u32) -> bool {
    let whole: Vec<(&[f64], &[f64])> = curves
        .iter()
        .filter(|it| !it.failed)
        .filter_map(|it| Some((it.at(epochs)?, it.at(most)?)))
        .collect();
    if whole.len() < CURVES {
        return false;
    }
    let rank =
        |(_, last): &(&[f64], &[f64])| whole.iter().filter(|it| dominated(last, it.1)).count();
    let (mut same, mut all) = (0.0, 1.0);
    for (index, a) in whole.iter().enumerate() {
        for b in &whole[..index] {
            if 2 * rank(a).min(rank(b)) >= whole.len() {
                continue;
            }
            let late = (dominated(a.1, b.1), dominated(b.1, a.1));
            if late.0 == late.1 {
                continue;
            }
            all += 1.0;
            same += f64::from(u8::from(late == (dominated(a.0, b.0), dominated(b.0, a.0))));
        }
    }
    same >= SHARE * all
}

/// What a trial may reach at most: what it has, and the largest rise that any curve to the end had
/// from there on, in each objective. Of n rises the largest is not the largest there is, so it counts
/// (n + 2) / n times. None without such curves.
fn reach(curves: &[Curve], it: &Curve, most: u32) -> Option<Vec<f64>> {
    let now = it.at(it.epochs())?;
    let whole: Vec<(&[f64], &[f64])> = curves
        .iter()
        .filter(|other| !other.failed)
        .filter_map(|other| Some((other.at(it.epochs())?, other.at(most)?)))
        .collect();
    let n = whole.len() as f64;
    let rise = |objective: usize| {
        let rises = whole.iter().map(|(early, late)| late[objective] - early[objective]);
        rises.fold(0.0, f64::max) * (n + 2.0) / n
    };
    (n > 0.0).then(|| now.iter().enumerate().map(|(k, value)| value + rise(k)).collect())
}

/// Whether a curve to the end has more than a trial may reach.
pub(crate) fn beaten(curves: &[Curve], it: &Curve, most: u32) -> bool {
    let Some(reach) = reach(curves, it, most) else { return false };
    let mut whole = curves.iter().filter(|it| !it.failed).filter_map(|it| it.at(most));
    whole.any(|other| dominated(&reach, other))
}

/// Whether a trial is ahead of where one of the best curves to the end was after as many epochs.
pub(crate) fn ahead(curves: &[Curve], it: &Curve, most: u32) -> bool {
    let whole = || curves.iter().filter(|it| !it.failed).filter(|it| it.at(most).is_some());
    let Some(now) = it.at(it.epochs()) else { return false };
    let best = whole().filter(|it| {
        !whole().any(|other| match (it.at(most), other.at(most)) {
            (Some(own), Some(other)) => dominated(own, other),
            _ => false,
        })
    });
    best.filter_map(|best| best.at(it.epochs())).any(|then| dominated(then, now))
}
