//! The trait that every sampler implements.

use std::{fmt, sync::Arc};

use crate::{error::HpoError, search::SearchState};

/// A search strategy: it chooses the parameters of the next trial.
///
/// Implement it to give a [`Study`](crate::Study) a strategy of your own. A sampler has no state: what
/// it suggests is a function of its settings and the [`SearchState`] alone.
pub trait Sampler: fmt::Debug + Send + Sync {
    /// The parameters of trial `search.number`, a point of `search.space`.
    ///
    /// # Errors
    ///
    /// If there is no such trial, as with a grid whose cells are used up.
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError>;

    /// Whether a suggestion may repeat a point that was already tried. If not, as by default, the
    /// study replaces such a point by a random untried one, as long as there is one.
    fn may_repeat(&self) -> bool {
        false
    }

    /// Whether the study may use a Gaussian process over parameters and steps besides the sampler:
    /// pruners that go by ranks then stop no trial that the process gives a chance, and the best
    /// trial is the one with the largest posterior mean. By default it may not.
    fn models_curves(&self) -> bool {
        false
    }
}

/// Parameters to try, and what is expected of them.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Suggestion {
    /// Parameter values in the order of the space; choices are indices.
    pub parameters: Vec<f64>,
    /// Expected improvement over the best trial so far, in the unit of the objective; `None` if the
    /// sampler does not compute it.
    pub gain: Option<f64>,
    /// Expected cost, in the unit of the costs that were told; `None` if the sampler does not compute
    /// it or too few costs are known.
    pub cost: Option<f64>,
    /// Whether every point of a finite space was tried before, so that this one is a repetition.
    pub repeats: bool,
}

impl Suggestion {
    /// The expected improvement per unit of cost, for a rule that ends the study; `None` if either is
    /// unknown.
    #[must_use]
    pub fn gain_per_cost(&self) -> Option<f64> {
        Some(self.gain? / self.cost?).filter(|ratio| ratio.is_finite())
    }
}

impl From<Vec<f64>> for Suggestion {
    fn from(parameters: Vec<f64>) -> Self {
        Self { parameters, gain: None, cost: None, repeats: false }
    }
}

/// Forwards every method to what a pointer points to.
macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<S: Sampler + ?Sized> Sampler for $pointer {
            fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
                (**self).suggest(search)
            }

            fn may_repeat(&self) -> bool {
                (**self).may_repeat()
            }

            fn models_curves(&self) -> bool {
                (**self).models_curves()
            }
        }
    )*};
}

forward!(&S, Arc<S>);

/// What a sampler suggests for the trial `search.number`, checked: a point of the space, and one that
/// was not tried before unless the sampler may repeat points.
///
/// This is what [`Study::ask`](crate::Study::ask) calls. Call it directly if you keep the trials
/// yourself.
///
/// # Errors
///
/// If the sampler has no such trial, or suggests something that is not a point of the space.
pub fn suggest(sampler: &dyn Sampler, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
    let suggestion = sampler.suggest(search)?;
    if !search.space.has(&suggestion.parameters) {
        let parameters = suggestion.parameters;
        return Err(HpoError::OutsideSpace { number: search.number, parameters });
    }
    if sampler.may_repeat() || !search.tried(&suggestion.parameters) {
        return Ok(suggestion);
    }
    let untried = search.untried().map(Suggestion::from);
    Ok(untried.unwrap_or(Suggestion { repeats: true, ..suggestion }))
}
