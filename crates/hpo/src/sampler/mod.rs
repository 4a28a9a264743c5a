//! Strategies: which parameters to try next.

mod bayes;
mod grid;
mod paper_pi;

pub use self::grid::Grid;
use crate::{history::History, random::Stream, space::Space, study::HpoError};

/// A search strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// Every cell of a grid once, in random order.
    Grid(Grid),
    /// Uniform on each parameter's scale.
    Random,
    /// The study's Bayesian strategy, as published.
    PaperPi,
    /// A Gaussian process with log expected improvement on scaled parameters.
    Gp,
}

/// The parameters of a trial: a pure function of its arguments. Larger values are better.
///
/// # Errors
///
/// If a grid has no such trial.
pub fn suggest(
    space: &Space,
    sampler: Sampler,
    seed: u64,
    number: u32,
    history: &History,
) -> Result<Vec<f64>, HpoError> {
    Ok(match sampler {
        Sampler::Grid(grid) => grid.suggest(space, seed, number)?,
        Sampler::Random => uniform(space, seed, number),
        Sampler::PaperPi => paper_pi::suggest(space, seed, number, history),
        Sampler::Gp => bayes::suggest(space, seed, number, history),
    })
}

fn uniform(space: &Space, seed: u64, number: u32) -> Vec<f64> {
    space.at(&Stream::new(seed, number, "uniform").point(space.dimensions()))
}
