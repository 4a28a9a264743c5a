//! Strategies: which parameters to try next.

mod bayes;
pub(crate) mod ehvi;
mod grid;
mod paper_pi;
mod tpe;

pub(crate) use self::bayes::{best_staged, hopeless, suggest_staged};
pub use self::grid::Grid;
use crate::{
    history::History,
    random::{Stream, sobol},
    space::Space,
    study::HpoError,
};

/// A search strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// Every cell of a grid once, in random order.
    Grid(Grid),
    /// Uniform on each parameter's scale.
    Random,
    /// A scrambled Sobol sequence.
    Sobol,
    /// The study's Bayesian strategy, as published.
    PaperPi,
    /// A tree-structured Parzen estimator (Bergstra et al. 2011).
    Tpe,
    /// A Gaussian process with log expected improvement on scaled parameters.
    Gp,
}

/// The parameters of a trial: a pure function of its arguments. Larger values are better.
///
/// On a finite space no point comes twice before all have come once.
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
    let point = match sampler {
        // Says itself what comes once.
        Sampler::Grid(grid) => return grid.suggest(space, seed, number),
        Sampler::Random => uniform(space, seed, number),
        Sampler::Sobol => space.at(&sobol(seed, "sobol", number, space.dimensions())),
        Sampler::PaperPi => paper_pi::suggest(space, seed, number, history),
        Sampler::Tpe => tpe::suggest(space, seed, number, history),
        Sampler::Gp => bayes::suggest(space, seed, number, history),
    };
    Ok(untried(space, seed, number, history, point))
}

fn uniform(space: &Space, seed: u64, number: u32) -> Vec<f64> {
    space.at(&Stream::new(seed, number, "uniform").point(space.dimensions()))
}

/// The point, or another one if the space is finite and it was tried while others were not.
pub(crate) fn untried(
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
    point: Vec<f64>,
) -> Vec<f64> {
    let Some(cells) = space.cells() else { return point };
    if !history.tried(&point) {
        return point;
    }
    let start = (Stream::new(seed, number, "untried").unit() * cells as f64) as u64;
    // One more cell than there are trials must hold an untried one.
    let most = cells.min(history.len() as u64 + 1);
    let others = (0..most).map(|step| space.cell((start + step) % cells));
    others.into_iter().find(|it| !history.tried(it)).unwrap_or(point)
}
