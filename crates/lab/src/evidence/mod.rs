//! The studies' claims on other people's measurements: reads the data sets and replays searches on them.

mod graph;
mod replay;

use report::{Elsewhere, EvidenceBundle, EvidenceError};

/// Tests every claim on measured sets, with replayed searches, which take seconds.
pub(crate) fn with_searches(bundle: EvidenceBundle) -> Elsewhere {
    let replay = replay::replay(&bundle);
    Elsewhere::of(bundle, replay)
}

/// Tests every claim on the data sets in this program. Searches are not replayed, which takes seconds.
///
/// # Errors
///
/// Never in a program that passed its tests.
pub(crate) fn embedded() -> Result<Elsewhere, EvidenceError> {
    Ok(Elsewhere::of(EvidenceBundle::embedded()?, None))
}
