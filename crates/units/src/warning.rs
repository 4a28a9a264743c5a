//! Doubts that belong beside a number.

use serde::{Deserialize, Serialize};

/// A doubt about a run, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// For people: what was seen, and what it means for the number.
    pub text: String,
}

impl Warning {
    /// A warning of that kind.
    pub fn new(kind: WarningKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// No sensor: the joules are a model's.
    EstimatedEnergy,
    /// No joules at all.
    NoEnergy,
    /// Readings are missing or doubtful.
    SensorGap,
    /// A probe failed.
    ProbeFailed,
    /// Counters that show the same joules; they are counted once.
    Overlap,
    /// Two sensors of one part of the machine disagree.
    Disagreement,
    /// The span is too short for the sensor.
    BelowResolution,
    /// Others used the machine meanwhile.
    OutsideLoad,
    /// Another run was measured at the same time, and the sensor saw both.
    SharedDomain,
    /// The training's loss stopped being a number.
    Diverged,
    /// Requests came faster than they could be served.
    Overloaded,
    /// The run differs from the study's protocol in a way that matters for its figure.
    Protocol,
}
