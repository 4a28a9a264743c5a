//! The studies' claims on other people's measurements: reads the data sets, replays searches on them, and compares
//! our estimators with their meters.

mod estimators;
mod graph;
mod replay;

use meter::validate::RecordingError;
use report::{Elsewhere, EvidenceBundle, EvidenceError};

/// Tests every claim on measured sets, with replayed searches, which take seconds.
///
/// # Errors
///
/// If a recording cannot be used.
pub(crate) fn with_searches(bundle: EvidenceBundle) -> Result<Elsewhere, RecordingError> {
    let replay = replay::replay(&bundle);
    let estimators = estimators::ratios(&bundle)?;
    Ok(Elsewhere::of(bundle, replay).with_estimators(estimators))
}

/// Tests every claim on the data sets in this program. Searches and recordings are not replayed, which takes
/// seconds.
///
/// # Errors
///
/// Never in a program that passed its tests.
pub(crate) fn embedded() -> Result<Elsewhere, EvidenceError> {
    let mut bundle = EvidenceBundle::embedded()?;
    bundle.recordings.clear();
    let estimators = estimators::ratios(&bundle).unwrap_or_default();
    Ok(Elsewhere::of(bundle, None).with_estimators(estimators))
}
