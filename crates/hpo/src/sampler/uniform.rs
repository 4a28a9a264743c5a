//! Random search.

use std::sync::Arc;

use super::{
    entry::SamplerEntry,
    interface::{Sampler, Suggestion},
};
use crate::{error::HpoError, search::SearchState};

/// Random search: every trial is uniform on each parameter's scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Random;

pub(super) const ENTRY: SamplerEntry =
    SamplerEntry::new("random", "random search: uniform on each parameter's scale", &[], |_| {
        Ok(Arc::new(Random))
    });

impl Sampler for Random {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(search.uniform().into())
    }
}
