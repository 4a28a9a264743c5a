//! Strategies: which parameters to try next.

mod bayes;
mod curves;
pub(crate) mod ehvi;
mod grid;
mod paper_pi;
mod tpe;

pub(crate) use self::curves::{best_staged, hopeless, suggest_staged};
pub use self::grid::Grid;
use crate::{history::History, random::Stream, space::Space, study::HpoError};

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

/// A trial to come.
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// Its parameters, in the space's order.
    pub parameters: Vec<f64>,
    /// By how much it is expected to beat the best so far; of [`Sampler::Gp`] alone.
    pub gain: Option<f64>,
    /// What it is expected to cost, where costs were told; of [`Sampler::Gp`] alone.
    pub cost: Option<f64>,
}

impl Suggestion {
    /// The expected gain for a unit of cost: below a threshold of yours, stop.
    #[must_use]
    pub fn gain_per_cost(&self) -> Option<f64> {
        Some(self.gain? / self.cost?).filter(|it| it.is_finite())
    }
}

impl From<Vec<f64>> for Suggestion {
    fn from(parameters: Vec<f64>) -> Self {
        Self { parameters, gain: None, cost: None }
    }
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
    propose(space, sampler, seed, number, history).map(|it| it.parameters)
}

/// The same, with what is expected of it.
///
/// # Errors
///
/// If a grid has no such trial.
pub fn propose(
    space: &Space,
    sampler: Sampler,
    seed: u64,
    number: u32,
    history: &History,
) -> Result<Suggestion, HpoError> {
    let point = match sampler {
        // Says itself what comes once.
        Sampler::Grid(grid) => return grid.suggest(space, seed, number).map(Suggestion::from),
        Sampler::Random => uniform(space, seed, number),
        Sampler::Sobol => space.spread(seed, "sobol", number),
        Sampler::PaperPi => paper_pi::suggest(space, seed, number, history),
        Sampler::Tpe => tpe::suggest(space, seed, number, history),
        Sampler::Gp => {
            let suggestion = bayes::suggest(space, seed, number, history);
            let point = untried(space, seed, number, history, suggestion.parameters.clone());
            let same = point == suggestion.parameters;
            return Ok(if same { suggestion } else { point.into() });
        }
    };
    Ok(untried(space, seed, number, history, point).into())
}

fn uniform(space: &Space, seed: u64, number: u32) -> Vec<f64> {
    space.draw(&mut Stream::new(seed, number, "uniform"))
}

/// Draws before a finite space is walked.
const DRAWS: usize = 64;

/// The point, or another one if it was tried. Only where all points of a finite space were tried does
/// one come again.
pub(crate) fn untried(
    space: &Space,
    seed: u64,
    number: u32,
    history: &History,
    point: Vec<f64>,
) -> Vec<f64> {
    if !history.tried(&point) {
        return point;
    }
    let mut random = Stream::new(seed, number, "untried");
    let start = random.unit();
    let drawn = (0..DRAWS).map(|_| space.draw(&mut random)).find(|it| !history.tried(it));
    let others = || {
        let tried = history.points();
        space.walk(start).find(|it| !tried.contains(&bits(it)))
    };
    drawn.or_else(others).unwrap_or(point)
}

/// A point as something that can be looked up.
pub(crate) fn bits(point: &[f64]) -> Vec<u64> {
    point.iter().map(|it| it.to_bits()).collect()
}
