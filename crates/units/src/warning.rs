//! Warnings: reasons to doubt a number.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A reason to doubt the numbers of a span or a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// What was observed and what it means for the numbers, as a text for people.
    pub text: String,
}

impl Warning {
    /// A warning of that kind.
    pub fn new(kind: WarningKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum WarningKind {
    /// There is no sensor; the energy was estimated by a model.
    EstimatedEnergy,
    /// The energy is unknown.
    NoEnergy,
    /// Readings are missing or implausible.
    SensorGap,
    /// A probe could not be read.
    ProbeFailed,
    /// Several counters show the same energy; it is counted once.
    Overlap,
    /// Two sensors of the same part of the machine disagree.
    Disagreement,
    /// The span is too short for the resolution of the sensor.
    BelowResolution,
    /// Other processes used the machine at the same time.
    OutsideLoad,
    /// Processes of the work ran on after the work had ended.
    RanOn,
    /// Another run was measured at the same time, and the sensor measured both.
    SharedDomain,
    /// The loss of the training became infinite or NaN.
    Diverged,
    /// Requests arrived faster than they could be served.
    Overloaded,
    /// The run differs from the study's protocol in a way that affects its figures.
    Protocol,
    /// The carbon intensity of the grid is not known for the whole time, or not at all.
    Carbon,
    /// Energies of repeated runs rise or fall with time.
    Drift,
    /// Energies of a few runs are far from those of the others.
    Outlier,
    /// A run of a command failed.
    FailedRun,
    /// An interval is wider than asked for, or unknown.
    Imprecise,
}
