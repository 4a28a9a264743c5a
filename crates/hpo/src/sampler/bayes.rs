//! A Gaussian process for few trials: unit-cube (or log) parameters, standardized values with the
//! bad tail compressed, Matérn-5/2 with a length for each parameter by MAP, fitted noise, log
//! expected improvement over the best posterior mean.

use super::uniform;
use crate::{
    gp::{Matern, Posterior, fit, log_expected_improvement},
    history::History,
    random::Stream,
    space::Space,
};

/// Trials from a quasi-random sequence before the first fit.
const INITIAL: usize = 6;
/// Candidates all over the space, and around the best point.
const CANDIDATES: usize = 1000;
/// Rounds of refinement around the best candidate.
const ROUNDS: usize = 60;

pub(super) fn suggest(space: &Space, seed: u64, number: u32, history: &History) -> Vec<f64> {
    let (mut points, values): (Vec<Vec<f64>>, Vec<f64>) =
        history.values().map(|(point, value)| (space.places(point), value)).unzip();
    if points.len() < INITIAL {
        return space.at(&halton(space.dimensions(), seed, number));
    }
    let mut values = standardize(&values);
    let (kernel, noise) = fit(&points, &values);
    for pending in history.pending() {
        let believed = Posterior::new(points.clone(), &values, kernel.clone(), noise);
        if let Some(posterior) = believed {
            let place = space.places(pending);
            values.push(posterior.at(&place).0);
            points.push(place);
        }
    }
    let Some(posterior) = Posterior::new(points.clone(), &values, kernel, noise) else {
        return uniform(space, seed, number);
    };
    let means: Vec<f64> = points.iter().map(|it| posterior.at(it).0).collect();
    let incumbent = (0..means.len()).max_by(|a, b| means[*a].total_cmp(&means[*b])).unwrap_or(0);
    let mut random = Stream::new(seed, number, "acquisition");
    let chosen = maximize(&posterior, &points[incumbent], means[incumbent], &mut random);
    // A point that was tried tells nothing new on a deterministic objective.
    if points.iter().any(|it| distance(it, &chosen) < 1e-9) {
        return uniform(space, seed, number);
    }
    space.at(&chosen)
}

/// Places of the best acquisition found by random candidates and shrinking local steps.
fn maximize(
    posterior: &Posterior<Matern>,
    incumbent: &[f64],
    best: f64,
    random: &mut Stream,
) -> Vec<f64> {
    let score = |point: &[f64]| {
        let (mean, variance) = posterior.at(point);
        log_expected_improvement(mean, variance.sqrt(), best)
    };
    let around = |center: &[f64], width: f64, random: &mut Stream| -> Vec<f64> {
        center.iter().map(|it| (it + width * random.normal()).clamp(0.0, 1.0)).collect()
    };
    let mut chosen = (f64::NEG_INFINITY, incumbent.to_vec());
    let consider = |point: Vec<f64>, chosen: &mut (f64, Vec<f64>)| {
        let value = score(&point);
        if value > chosen.0 {
            *chosen = (value, point);
        }
    };
    for index in 0..CANDIDATES {
        let point = if index % 4 == 0 {
            around(incumbent, 0.1, random)
        } else {
            random.point(incumbent.len())
        };
        consider(point, &mut chosen);
    }
    let mut width = 0.1;
    for _ in 0..ROUNDS {
        let before = chosen.0;
        for _ in 0..8 {
            let point = around(&chosen.1, width, random);
            consider(point, &mut chosen);
        }
        if chosen.0 <= before {
            width *= 0.8;
        }
    }
    chosen.1
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Zero mean and unit deviation, after the half below the median is compressed by a logarithm:
/// how bad a bad trial is says little about where the good ones are.
fn standardize(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (top, median) = (sorted[0], sorted[sorted.len() / 2]);
    let spread = (top - median).max(1e-12);
    let warped: Vec<f64> = values
        .iter()
        .map(|it| match (it - median) / spread {
            below if below < 0.0 => -(1.0 - below).ln(),
            above => above,
        })
        .collect();
    let n = warped.len() as f64;
    let mean = warped.iter().sum::<f64>() / n;
    let variance = warped.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / n;
    let deviation = variance.sqrt().max(1e-9);
    warped.iter().map(|it| (it - mean) / deviation).collect()
}

/// A randomly shifted Halton sequence (Halton 1960).
fn halton(dimensions: usize, seed: u64, number: u32) -> Vec<f64> {
    const PRIMES: [u32; 12] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];
    let shift = Stream::new(seed, 0, "halton").point(dimensions);
    (0..dimensions)
        .map(|axis| {
            let base = PRIMES[axis % PRIMES.len()];
            let (mut index, mut digit, mut value) = (number + 1, 1.0, 0.0);
            while index > 0 {
                digit /= f64::from(base);
                value += digit * f64::from(index % base);
                index /= base;
            }
            (value + shift[axis]).fract()
        })
        .collect()
}
