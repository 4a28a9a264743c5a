//! Bayesian optimization with a Gaussian process.

mod climb;
mod curves;
mod one;
mod several;

use std::sync::Arc;

use super::{
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
};
use crate::{error::HpoError, search::SearchState};

/// A Gaussian process for few, expensive trials.
///
/// With one objective it maximizes the expected improvement, divided by a power of the expected cost
/// while much of a budget is left (EI-cool; Lee et al. 2020, "Cost-aware Bayesian optimization"). With
/// several objectives it maximizes the expected hypervolume improvement. With a pruner it also learns
/// from trials that were stopped early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gp;

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "gp",
    "Bayesian optimization with a Gaussian process, for few and expensive trials",
    &[],
    |_| Ok(Arc::new(Gp)),
);

impl Sampler for Gp {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(if search.is_pruned() && search.objectives.count() == 1 {
            curves::suggest(search).into()
        } else if search.is_pruned() || !search.objectives.is_single() {
            several::suggest(search).into()
        } else {
            one::suggest(search)
        })
    }

    fn models_curves(&self) -> bool {
        true
    }
}
