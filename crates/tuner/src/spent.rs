//! What trials and the search itself cost.

use serde::{Deserialize, Serialize};
use units::Origin;

/// The time and energy of a trial, or of the search for its parameters.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq)]
pub struct Spent {
    /// Duration in seconds.
    pub seconds: f64,
    /// Energy in joules of the process and its children; `None` if nothing could measure it.
    pub joules: Option<f64>,
    /// Half-width of the 95 % interval of the energy, in joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty_j: Option<f64>,
    /// Whether the energy was measured or estimated; `None` without energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

impl Spent {
    /// The sum of two costs. Uncertainties add up, because the error of one sensor or one model does
    /// not average out.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(a + b),
            (a, b) => a.or(b),
        };
        let uncertainty_j = sum(self.uncertainty_j, other.uncertainty_j);
        let joules = sum(self.joules, other.joules);
        let origin = match (self.origin, other.origin) {
            (Some(a), Some(b)) => Some(a.and(b)),
            (a, b) => a.or(b),
        };
        Self { seconds: self.seconds + other.seconds, joules, uncertainty_j, origin }
    }
}
