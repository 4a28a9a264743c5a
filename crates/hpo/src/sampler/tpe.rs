//! A tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter
//! optimization"): one density of the good trials and one of the others for each parameter; of some
//! draws from the good one, that with the largest ratio.

use super::uniform;
use crate::{
    history::History,
    random::Stream,
    space::{Kind, Parameter, Space},
};

/// Trials from a quasi-random sequence before the first estimate.
const INITIAL: usize = 10;
/// Draws from the good density.
const DRAWS: usize = 24;
/// The share of trials that counts as good, and the most of them.
const GOOD: (f64, usize) = (0.15, 25);

pub(super) fn suggest(space: &Space, seed: u64, number: u32, history: &History) -> Vec<f64> {
    let mut trials: Vec<(&[f64], f64)> = history.values().collect();
    if trials.len() < INITIAL {
        return space.spread(seed, "initial", number);
    }
    trials.sort_by(|a, b| b.1.total_cmp(&a.1));
    let good = ((trials.len() as f64 * GOOD.0).ceil() as usize).clamp(1, GOOD.1);
    let (good, bad) = trials.split_at(good);
    // Trials under way are taken for bad ones, so that workers keep apart.
    let bad: Vec<&[f64]> =
        bad.iter().map(|it| it.0).chain(history.pending().iter().map(Vec::as_slice)).collect();
    let good: Vec<&[f64]> = good.iter().map(|it| it.0).collect();
    // A parameter's densities are of those trials in which it mattered.
    let mattering = |axis: usize, points: &[&[f64]]| -> Vec<f64> {
        points.iter().filter(|it| space.active(it)[axis]).map(|it| it[axis]).collect()
    };
    let densities: Vec<(Parzen<'_>, Parzen<'_>)> = space
        .parameters()
        .iter()
        .enumerate()
        .map(|(axis, it)| {
            (Parzen::new(it, &mattering(axis, &good)), Parzen::new(it, &mattering(axis, &bad)))
        })
        .collect();
    let mut random = Stream::new(seed, number, "tpe");
    let mut best: Option<(f64, Vec<f64>)> = None;
    for _ in 0..DRAWS {
        let draw: Vec<f64> = densities.iter().map(|(good, _)| good.draw(&mut random)).collect();
        let point = space.at(&draw);
        if !space.allows(&point) {
            continue;
        }
        let active = space.active(&point);
        let ratio =
            densities.iter().zip(&draw).zip(active).filter(|it| it.1).map(
                |(((good, bad), place), _)| good.density(*place).ln() - bad.density(*place).ln(),
            );
        let ratio = ratio.sum();
        if best.as_ref().is_none_or(|it| ratio > it.0) && !history.tried(&point) {
            best = Some((ratio, point));
        }
    }
    best.map_or_else(|| uniform(space, seed, number), |(_, point)| point)
}

/// A mixture of one kernel a trial and a flat one, over the places of a parameter.
struct Parzen<'a> {
    parameter: &'a Parameter,
    centers: Vec<f64>,
    width: f64,
}

impl<'a> Parzen<'a> {
    fn new(parameter: &'a Parameter, values: &[f64]) -> Self {
        let centers: Vec<f64> = values.iter().map(|it| parameter.place(*it)).collect();
        // Scott's rule.
        let n = centers.len().max(1) as f64;
        let mean = centers.iter().sum::<f64>() / n;
        let variance = centers.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / n;
        let width = (variance.sqrt() * n.powf(-0.2)).clamp(0.02, 0.5);
        Self { parameter, centers, width }
    }

    fn draw(&self, random: &mut Stream) -> f64 {
        let chosen = (random.unit() * (self.centers.len() + 1) as f64) as usize;
        let Some(center) = self.centers.get(chosen) else { return random.unit() };
        if self.parameter.kind == Kind::Categorical {
            return *center;
        }
        (center + self.width * random.normal()).clamp(0.0, 1.0)
    }

    fn density(&self, place: f64) -> f64 {
        let kernel = |center: &f64| match self.parameter.cells() {
            Some(cells) if self.parameter.kind == Kind::Categorical => {
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
