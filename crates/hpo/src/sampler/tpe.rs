//! A tree-structured Parzen estimator.

use std::sync::Arc;

use super::{
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
};
use crate::{
    error::HpoError,
    random::RandomStream,
    search::SearchState,
    space::{Parameter, ParameterKind},
};

/// A tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter
/// optimization"): for each parameter one density of the good trials and one of the others; of some
/// draws from the good density, the one with the largest ratio of the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tpe;

pub(super) const ENTRY: SamplerEntry =
    SamplerEntry::new("tpe", "a tree-structured Parzen estimator", &[], |_| Ok(Arc::new(Tpe)));

/// Trials from a quasi-random sequence before the first estimate.
const INITIAL: usize = 10;
/// Draws from the good density.
const DRAWS: usize = 24;
/// The share of trials that counts as good, and the largest number of good trials.
const GOOD: (f64, usize) = (0.15, 25);

impl Sampler for Tpe {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(suggest(search).into())
    }
}

fn suggest(search: &SearchState<'_>) -> Vec<f64> {
    let (space, history) = (search.space, search.history());
    let mut trials: Vec<(&[f64], f64)> = history.values().collect();
    if trials.len() < INITIAL {
        return space.spread(search.seed, "initial", search.number);
    }
    trials.sort_by(|a, b| b.1.total_cmp(&a.1));
    let good = ((trials.len() as f64 * GOOD.0).ceil() as usize).clamp(1, GOOD.1);
    let (good, bad) = trials.split_at(good);
    // Running trials count as bad ones, so that parallel workers keep apart.
    let bad: Vec<&[f64]> =
        bad.iter().map(|(point, _)| *point).chain(history.running().iter().copied()).collect();
    let good: Vec<&[f64]> = good.iter().map(|(point, _)| *point).collect();
    // The densities of a parameter come from the trials in which it was active.
    let active_values = |axis: usize, points: &[&[f64]]| -> Vec<f64> {
        let active = points.iter().filter(|point| space.active(point)[axis]);
        active.map(|point| point[axis]).collect()
    };
    let densities: Vec<(Parzen<'_>, Parzen<'_>)> = space
        .parameters()
        .iter()
        .enumerate()
        .map(|(axis, parameter)| {
            let density = |points| Parzen::new(parameter, &active_values(axis, points));
            (density(&good), density(&bad))
        })
        .collect();
    let mut random = search.random("tpe");
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..DRAWS {
        let draw: Vec<f64> = densities.iter().map(|(good, _)| good.draw(&mut random)).collect();
        let point = space.at(&draw);
        if !space.allows(&point) {
            continue;
        }
        let ratio: f64 = densities
            .iter()
            .zip(&draw)
            .zip(space.active(&point))
            .filter(|(_, active)| *active)
            .map(|(((good, bad), place), _)| good.density(*place).ln() - bad.density(*place).ln())
            .sum();
        let is_better = best.as_ref().is_none_or(|(most, _)| ratio > *most);
        if is_better && !search.tried(&point) {
            best = Some((ratio, point));
        }
    }
    best.map_or_else(|| search.uniform(), |(_, point)| point)
}

/// A mixture of one kernel a trial and a flat one, over the places of a parameter.
struct Parzen<'a> {
    parameter: &'a Parameter,
    centers: Vec<f64>,
    width: f64,
}

impl<'a> Parzen<'a> {
    fn new(parameter: &'a Parameter, values: &[f64]) -> Self {
        let centers: Vec<f64> = values.iter().map(|value| parameter.place(*value)).collect();
        // Scott's rule.
        let n = centers.len().max(1) as f64;
        let mean = centers.iter().sum::<f64>() / n;
        let variance = centers.iter().map(|center| (center - mean).powi(2)).sum::<f64>() / n;
        let width = (variance.sqrt() * n.powf(-0.2)).clamp(0.02, 0.5);
        Self { parameter, centers, width }
    }

    fn draw(&self, random: &mut RandomStream) -> f64 {
        let chosen = (random.unit() * (self.centers.len() + 1) as f64) as usize;
        let Some(center) = self.centers.get(chosen) else { return random.unit() };
        if self.parameter.kind == ParameterKind::Categorical {
            return *center;
        }
        (center + self.width * random.normal()).clamp(0.0, 1.0)
    }

    fn density(&self, place: f64) -> f64 {
        let kernel = |center: &f64| match self.parameter.cells() {
            Some(cells) if self.parameter.kind == ParameterKind::Categorical => {
                let same = self.parameter.at(*center) == self.parameter.at(place);
                if same { cells as f64 } else { 0.0 }
            }
            _ => {
                let z = (place - center) / self.width;
                (-0.5 * z * z).exp() / (self.width * (2.0 * std::f64::consts::PI).sqrt())
            }
        };
        let sum: f64 = self.centers.iter().map(kernel).sum();
        (1.0 + sum) / (self.centers.len() + 1) as f64
    }
}
