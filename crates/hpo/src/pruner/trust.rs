//! Whether early ranks say something about final ones.

use crate::{pareto::dominated, trial::Trial};

/// With fewer completed trials than this, no trial is stopped.
const COMPLETED: usize = 8;
/// The share of pairs whose order must be the same early and at the end.
const SHARE: f64 = 0.8;

/// Whether the order of trials after `step` steps is mostly their order at the end, after `most`
/// steps.
///
/// Two bad trials say nothing about what would be lost, so only pairs count that have a trial of the
/// better half.
pub(super) fn trusted(trials: &[Trial], step: u32, most: u32) -> bool {
    let completed: Vec<(&[f64], &[f64])> = trials
        .iter()
        .filter(|trial| !trial.has_failed())
        .filter_map(|trial| Some((trial.at(step)?, trial.at(most)?)))
        .collect();
    if completed.len() < COMPLETED {
        return false;
    }
    let rank = |(_, end): &(&[f64], &[f64])| {
        completed.iter().filter(|(_, other)| dominated(end, other)).count()
    };
    let (mut same, mut all) = (0.0, 0.0);
    for (index, a) in completed.iter().enumerate() {
        for b in &completed[..index] {
            if 2 * rank(a).min(rank(b)) >= completed.len() {
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
