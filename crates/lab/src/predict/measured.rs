//! The measured trainings that the model is fitted on.

use super::work::NetworkWork;

/// The device of the measured trainings that the model is fitted on.
pub(crate) const FITTED_ON: &str = "Quadro RTX 6000";
/// A measured training: its work and its joules, per image, and the group that it is left out with.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) work: NetworkWork,
    pub(crate) joules: f64,
    pub(crate) group: String,
}
