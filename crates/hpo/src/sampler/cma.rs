//! The covariance matrix adaptation evolution strategy.

use std::sync::Arc;

use super::{
    distribution::Distribution,
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
};
use crate::{
    error::HpoError,
    random::RandomStream,
    search::SearchState,
    space::{Parameter, ParameterKind},
};

/// CMA-ES (Hansen 2016, "The CMA evolution strategy: a tutorial"), for hundreds of trials of numbers:
/// a normal distribution that moves to good trials and takes the shape of the steps that led there. It
/// starts again with twice as many trials a generation when it has become very narrow (Auger and Hansen
/// 2005, IPOP).
///
/// A generation is the next trials with results in the order of their numbers, whoever suggested them,
/// so that any number of workers may run. Failed trials are the worst of their generation. Whole numbers
/// and steps keep a spread of at least half a step. Categories are those of good trials or, with a
/// probability of a fifth, random. With several objectives it sees the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CmaEs;

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "cma-es",
    "the CMA evolution strategy, for hundreds of trials of numbers",
    &[],
    |_| Ok(Arc::new(CmaEs)),
);

/// Draws outside the space before one is moved to its edge.
const DRAWS: usize = 64;
/// The share of random categories.
const RANDOM: f64 = 0.2;
/// Deviations below which the distribution starts again.
const NARROW: f64 = 1e-7;
/// The size of a generation is doubled at most this many times.
const DOUBLINGS: u32 = 6;

impl Sampler for CmaEs {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        let space = search.space;
        let results = results(search);
        let mut random = search.random("cma-es");
        let distribution = learn(search, &results);
        let good: Vec<&[f64]> = best_half(&results, distribution.generation());
        let mut draws = (0..DRAWS).map(|_| {
            let place = draw(&distribution, space.parameters(), &good, &mut random);
            let inside = place.iter().all(|place| (0.0..=1.0).contains(place));
            (inside, space.at(&place.iter().map(|x| x.clamp(0.0, 1.0)).collect::<Vec<f64>>()))
        });
        let mut edge = None;
        let found = draws.find(|(inside, point)| {
            let is_new = space.allows(point) && !search.tried(point);
            if is_new && !inside && edge.is_none() {
                edge = Some(point.clone());
            }
            is_new && *inside
        });
        let point = found.map(|(_, point)| point).or(edge);
        Ok(point.unwrap_or_else(|| search.uniform()).into())
    }
}

/// Places of the trials with results, by number, and their values; failed ones have −∞.
fn results(search: &SearchState<'_>) -> Vec<(Vec<f64>, f64)> {
    let history = search.history();
    let results = history.results().iter().map(|trial| {
        let value = trial.values.and_then(|values| values.first().copied());
        let allowed = trial.values.is_some_and(|values| search.objectives.allow(values));
        let value = value.filter(|_| allowed).unwrap_or(f64::NEG_INFINITY);
        (search.space.places(trial.parameters), value)
    });
    results.collect()
}

/// The distribution after all whole generations.
fn learn(search: &SearchState<'_>, results: &[(Vec<f64>, f64)]) -> Distribution {
    let dimensions = search.space.dimensions();
    let start = |center: Vec<f64>, doublings: u32| Distribution::new(center, doublings);
    let mut distribution = start(vec![0.5; dimensions], 0);
    let (mut rest, mut restarts) = (results, 0);
    while rest.len() >= distribution.generation() {
        let (generation, later) = rest.split_at(distribution.generation());
        rest = later;
        let is_healthy = distribution.update(generation);
        if !is_healthy || distribution.widest() < NARROW {
            restarts += 1;
            let mut random = RandomStream::new(search.seed, restarts, "cma-es restart");
            distribution = start(random.point(dimensions), restarts.min(DOUBLINGS));
        }
    }
    distribution
}

/// Places of the better half of the last results.
fn best_half(results: &[(Vec<f64>, f64)], generation: usize) -> Vec<&[f64]> {
    let mut last: Vec<&(Vec<f64>, f64)> = results.iter().rev().take(2 * generation).collect();
    last.sort_by(|a, b| b.1.total_cmp(&a.1));
    last.iter().take(generation.min(last.len().div_ceil(2))).map(|(place, _)| &place[..]).collect()
}

fn draw(
    distribution: &Distribution,
    parameters: &[Parameter],
    good: &[&[f64]],
    random: &mut RandomStream,
) -> Vec<f64> {
    let drawn = distribution.draw(random);
    let one = |(axis, (place, parameter)): (usize, (f64, &Parameter))| {
        if parameter.kind == ParameterKind::Categorical {
            let chosen = (random.unit() * good.len() as f64) as usize;
            let keeps = random.unit() >= RANDOM;
            let kept = good.get(chosen).filter(|_| keeps).map(|place| place[axis]);
            return kept.unwrap_or_else(|| random.unit());
        }
        // A narrow distribution would never leave its cell.
        let Some(cells) = parameter.cells() else { return place };
        let least = 0.5 / cells as f64;
        let missing = (least * least - distribution.variance(axis)).max(0.0).sqrt();
        place + missing * random.normal()
    };
    drawn.into_iter().zip(parameters).enumerate().map(one).collect()
}
