//! What our own estimators would have read of other people's runs.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One of our own models of energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OwnModel {
    /// CPU time times the power of a busy core.
    CpuTime,
    /// The share of the time in which a GPU is busy times its power cap.
    GpuModel,
}

/// Which columns hold what a model reads.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnEstimate {
    pub(crate) model: OwnModel,
    /// The product of these columns and of the factor: busy processors, or the share of the time in which the GPU
    /// was busy. Without a column, the factor alone.
    #[serde(default)]
    pub(crate) busy: Vec<String>,
    #[serde(default = "one")]
    pub(crate) busy_factor: f64,
    /// Length of a run; one second without it.
    #[serde(default)]
    pub(crate) seconds: Option<String>,
    /// By device: the number of its cores, or its power cap in watts. Other devices have no estimate.
    pub(crate) limits: BTreeMap<String, f64>,
    /// Whether the load was not recorded and the estimate is the highest possible.
    #[serde(default)]
    pub(crate) at_most: bool,
    /// Where the limits come from.
    pub(crate) limits_from: String,
}

/// What one of our models would have read of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnReading {
    /// Busy processors, or the share of the time in which the GPU was busy.
    pub busy: f64,
    /// Length in seconds.
    pub seconds: f64,
}

/// One of our models for the runs of a set.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct OwnEstimator {
    /// The model.
    pub model: OwnModel,
    /// The number of the device's cores, or its power cap in watts.
    pub limit: f64,
    /// Whether the load was not recorded, so that the estimate is the highest possible.
    pub at_most: bool,
}

fn one() -> f64 {
    1.0
}

impl OwnEstimate {
    /// The columns that it reads.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &String> {
        self.busy.iter().chain(&self.seconds)
    }

    /// Cores, or watts.
    pub(crate) fn is_limit(limit: f64) -> bool {
        (1.0..=1e5).contains(&limit)
    }

    pub(crate) fn not_a_limit(limit: f64) -> String {
        format!("is {limit}, expected a number from 1 to 100000")
    }

    /// A value that cannot be used: its key and the problem.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let factor = self.busy_factor;
        if !(factor > 0.0 && factor <= 1e5) {
            let problem = format!("is {factor}, expected a number above 0, at most 100000");
            return Some(("estimate.busy_factor", problem));
        }
        let unfit = self.limits.values().find(|limit| !Self::is_limit(**limit))?;
        Some(("estimate.limits", Self::not_a_limit(*unfit)))
    }
}
