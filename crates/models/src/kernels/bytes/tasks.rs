//! Parts of an operation that run at the same time.

use rayon::prelude::*;

/// Calls `work` for each number below `count`: on the threads of the pool if there should be several tasks.
pub(super) fn each(tasks: usize, count: usize, work: impl Fn(usize) + Sync + Send) {
    if tasks <= 1 || count <= 1 {
        (0..count).for_each(work);
    } else {
        (0..count).into_par_iter().for_each(work);
    }
}
