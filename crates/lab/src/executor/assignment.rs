//! A run on its way to a worker.

use record::{RunSpec, SpanEnergy};
use serde::{Deserialize, Serialize};

/// A run that an executor has to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// What to do.
    pub spec: RunSpec,
    /// The energy of choosing this run; `None` if it was not measured.
    pub plan: Option<SpanEnergy>,
    /// How often a worker was lost while it did this run.
    #[serde(default)]
    pub lost: u32,
}
