//! The study's Bayesian strategy, as published: a Gaussian process with scikit-learn's default
//! kernel (1 · RBF of length 1, not optimized, no noise) on the raw, unscaled parameters and values,
//! and the probability of improvement over the best value so far, maximized over 10,000 uniform
//! candidates. The first trial is random.

use super::uniform;
use crate::{
    gp::{Posterior, log_normal_cdf},
    history::History,
    random::Stream,
    space::Space,
};

const CANDIDATES: usize = 10_000;

pub(super) fn suggest(space: &Space, seed: u64, number: u32, history: &History) -> Vec<f64> {
    let (mut points, mut values): (Vec<Vec<f64>>, Vec<f64>) =
        history.values().map(|(point, value)| (point.to_vec(), value)).unzip();
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // A trial under way is taken to give what is expected of it (kriging believer), so that
    // parallel workers do not all try the same point. With one worker there is none.
    for pending in history.pending() {
        if let Some(posterior) = Posterior::new(points.clone(), &values, 1e-10) {
            values.push(posterior.at(pending).0);
            points.push(pending.clone());
        }
    }
    // scikit-learn's default jitter; raised where two trials are so close that it is not enough.
    let Some(posterior) = Posterior::new(points, &values, 1e-10) else {
        return uniform(space, seed, number);
    };
    let mut random = Stream::new(seed, number, "candidates");
    let mut chosen = (f64::NEG_INFINITY, Vec::new());
    for _ in 0..CANDIDATES {
        let candidate = space.at(&random.point(space.dimensions()));
        if !space.allows(&candidate) {
            continue;
        }
        let (mean, variance) = posterior.at(&candidate);
        let score = log_normal_cdf((mean - best) / variance.sqrt().max(1e-12));
        if score > chosen.0 {
            chosen = (score, candidate);
        }
    }
    if chosen.1.is_empty() { uniform(space, seed, number) } else { chosen.1 }
}
