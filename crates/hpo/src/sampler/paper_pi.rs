//! The published study's Bayesian strategy.

use std::sync::Arc;

use super::{
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
};
use crate::{
    error::HpoError,
    gp::{Posterior, log_normal_cdf},
    search::SearchState,
};

/// Bayesian optimization as Yarally et al. (2023) published it.
///
/// A Gaussian process with scikit-learn's default kernel (1 · RBF of length 1, not optimized, without
/// noise) on the raw, unscaled parameters and values, and the probability of improvement over the best
/// value so far, maximized over 10,000 uniform candidates. The first trial is random.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PaperPi;

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "paper-pi",
    "the published study's Bayesian strategy: probability of improvement on raw parameters",
    &[],
    |_| Ok(Arc::new(PaperPi)),
);

const CANDIDATES: usize = 10_000;

impl Sampler for PaperPi {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(suggest(search).into())
    }
}

fn suggest(search: &SearchState<'_>) -> Vec<f64> {
    let (space, history) = (search.space, search.history());
    let (mut points, mut values): (Vec<Vec<f64>>, Vec<f64>) =
        history.values().map(|(point, value)| (point.to_vec(), value)).unzip();
    let best = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // A running trial is assumed to give its expected value (kriging believer), so that parallel
    // workers do not all try the same point.
    for running in history.running() {
        if let Some(posterior) = Posterior::new(points.clone(), &values, 1e-10) {
            values.push(posterior.at(running).0);
            points.push(running.to_vec());
        }
    }
    // scikit-learn's default jitter; raised where two trials are so close that it is not enough.
    let Some(posterior) = Posterior::new(points, &values, 1e-10) else {
        return search.uniform();
    };
    let mut random = search.random("candidates");
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
    if chosen.1.is_empty() { search.uniform() } else { chosen.1 }
}
