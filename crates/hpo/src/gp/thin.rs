//! Which trials a process sees.

use super::{process::Process, warp::Warped};

/// A process, the points it was fitted to and their values as it sees them.
#[derive(Debug)]
pub(crate) struct Fitted {
    pub(crate) process: Process,
    pub(crate) points: Vec<Vec<f64>>,
    pub(crate) warped: Warped,
}

/// A process sees at most this many trials, since its cost grows with their cube.
const SEEN: usize = 320;

/// Keeps the best trials, as half of what a process sees, and an even selection of the others. The
/// trials come best first.
pub(crate) fn thin(trials: &mut Vec<(Vec<f64>, f64)>) {
    if trials.len() > SEEN {
        let rest = trials.split_off(SEEN / 2);
        let every = rest.len().div_ceil(SEEN / 2);
        trials.extend(rest.into_iter().step_by(every));
    }
}
