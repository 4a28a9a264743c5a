//! Whether early ranks say something about late ones.

use super::Curve;
use crate::pareto::dominated;

/// Curves to the end below which nobody is stopped.
const CURVES: usize = 8;
/// The share of pairs whose order must be the same, counting each pair by how much it matters.
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
    let (mut same, mut all) = (0.0, 0.0);
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
    all > 0.0 && same >= SHARE * all
}
