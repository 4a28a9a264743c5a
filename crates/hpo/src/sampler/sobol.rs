//! Quasi-random search.

use std::sync::Arc;

use super::{
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
};
use crate::{error::HpoError, search::SearchState};

/// A Sobol sequence with Owen scrambling: spreads trials more evenly than random search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sobol;

pub(super) const ENTRY: SamplerEntry = SamplerEntry::new(
    "sobol",
    "a scrambled Sobol sequence: more even than random search",
    &[],
    |_| Ok(Arc::new(Sobol)),
);

impl Sampler for Sobol {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(search.space.spread(search.seed, "sobol", search.number).into())
    }
}
