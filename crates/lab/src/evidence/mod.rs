//! The studies' claims on other people's measurements: reads the data sets and replays searches on them.

mod graph;
mod replay;

use std::path::Path;

use report::{Elsewhere, EvidenceBundle, EvidenceError};

/// Tests every claim on the data sets in this program and in some folders, with replayed searches.
///
/// # Errors
///
/// If a data set of a folder cannot be used.
pub(crate) fn with_searches(folders: &[&Path]) -> Result<Elsewhere, EvidenceError> {
    let bundle = EvidenceBundle::with(folders)?;
    let replay = replay::replay(&bundle);
    Ok(Elsewhere::of(bundle, replay))
}

/// Tests every claim on the data sets in this program. Searches are not replayed, which takes seconds.
///
/// # Errors
///
/// Never in a program that passed its tests.
pub(crate) fn embedded() -> Result<Elsewhere, EvidenceError> {
    Ok(Elsewhere::of(EvidenceBundle::embedded()?, None))
}
