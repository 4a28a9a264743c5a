//! A tree-structured Parzen estimator.

use std::sync::Arc;

use super::{
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
    parzen::Parzen,
    ranking::ranking,
};
use crate::{error::HpoError, search::SearchState};

/// A multivariate tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for
/// hyper-parameter optimization"; Watanabe 2023, "Tree-structured Parzen estimator"): one density of
/// the good trials and one of the others, each a mixture over whole trials, so that parameters that
/// are only good together stay together. Of some draws from the good density, it takes the one with
/// the largest ratio of the two.
///
/// With several objectives, trials are ordered by non-dominated fronts and crowding distance. Failed trials are bad ones, and
/// so are running ones, so that parallel workers keep apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tpe;

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "tpe",
    "a tree-structured Parzen estimator, for hundreds of trials or many categories",
    &[],
    |_| Ok(Arc::new(Tpe)),
);

/// Trials from a quasi-random sequence before the first estimate.
const INITIAL: usize = 10;
/// Of these, trials that must have given values.
const INITIAL_VALUES: usize = 3;
/// Draws from the good density.
const DRAWS: usize = 32;
/// The share of trials that counts as good, and the largest number of good trials.
const GOOD: (f64, usize) = (0.1, 25);

impl Sampler for Tpe {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(suggest(search).into())
    }
}

fn suggest(search: &SearchState<'_>) -> Vec<f64> {
    let (space, history) = (search.space, search.history());
    let ranked = ranking(search, GOOD.1);
    let ranked: Vec<&[f64]> = ranked.iter().map(|trial| trial.point).collect();
    let failed: Vec<&[f64]> = history.failed().collect();
    if ranked.len() + failed.len() < INITIAL || ranked.len() < INITIAL_VALUES {
        return space.spread(search.seed, "initial", search.number);
    }
    let count = ((ranked.len() as f64 * GOOD.0).ceil() as usize).clamp(1, GOOD.1);
    let (good, rest) = ranked.split_at(count);
    let bad: Vec<&[f64]> = rest.iter().chain(&failed).chain(history.running()).copied().collect();
    let (good, bad) = (Parzen::new(space, good), Parzen::new(space, &bad));
    let mut random = search.random("tpe");
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..DRAWS {
        let point = space.at(&good.draw(&mut random));
        if !space.allows(&point) || search.tried(&point) {
            continue;
        }
        let (places, active) = (space.places(&point), space.active(&point));
        let ratio = good.log_density(&places, &active) - bad.log_density(&places, &active);
        if best.as_ref().is_none_or(|(most, _)| ratio > *most) {
            best = Some((ratio, point));
        }
    }
    best.map_or_else(|| search.uniform(), |(_, point)| point)
}
