//! The parts of an adapter that say what a table's columns mean.

use record::Origin;
use serde::Deserialize;

/// Which columns hold what.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Columns {
    #[serde(default)]
    pub(crate) network: String,
    #[serde(default)]
    pub(crate) device: Option<String>,
    #[serde(default)]
    pub(crate) data: Option<String>,
    #[serde(default)]
    pub(crate) batch: Option<String>,
    #[serde(default)]
    pub(crate) block: Option<String>,
    /// Joules are the product of these columns and of the factor.
    #[serde(default)]
    pub(crate) joules: Vec<String>,
    #[serde(default = "one")]
    pub(crate) joules_factor: f64,
    /// Joules are divided by this.
    #[serde(default)]
    pub(crate) work: Option<String>,
    /// Images that the joules were spent on.
    #[serde(default)]
    pub(crate) images: Option<String>,
    /// A share of 1.
    #[serde(default)]
    pub(crate) accuracy: Option<String>,
    #[serde(default)]
    pub(crate) repetition: Option<String>,
}

fn one() -> f64 {
    1.0
}

/// Values that are the same in all rows.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Constants {
    #[serde(default)]
    pub(crate) device: Option<String>,
    #[serde(default)]
    pub(crate) batch: Option<u32>,
}

/// A second measurement of the same runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Second {
    pub(crate) name: String,
    pub(crate) joules: Vec<String>,
    pub(crate) origin: Origin,
    /// Standard deviation of the first measurement, from its resolution, in joules for a row.
    pub(crate) reading_sd_j: f64,
}

/// Rows that are left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exclusion {
    /// All of these must hold.
    pub(crate) when: Vec<Condition>,
    pub(crate) reason: String,
}

/// A condition on a value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    pub(crate) column: String,
    #[serde(default)]
    pub(crate) is: Option<String>,
    #[serde(default)]
    pub(crate) below: Option<f64>,
    /// Below the highest value of the device.
    #[serde(default)]
    pub(crate) below_highest: bool,
}

/// Where a row's network, as a graph, and its validation accuracy are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayColumns {
    /// Upper triangle of the adjacency matrix, row by row, as digits 0 and 1.
    pub(crate) matrix: String,
    /// Operations of the inner vertices, in order, joined by `-`.
    pub(crate) operations: String,
    pub(crate) validation: String,
    /// The rows that searches look networks up in.
    pub(crate) only: Condition,
}

/// Why a data set lacks what claims need.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Missing {
    #[serde(default)]
    pub(crate) accuracy: Option<String>,
    #[serde(default)]
    pub(crate) batches: Option<String>,
    #[serde(default)]
    pub(crate) years: Option<String>,
    #[serde(default)]
    pub(crate) layers: Option<String>,
    #[serde(default)]
    pub(crate) search: Option<String>,
    #[serde(default)]
    pub(crate) shufflenet: Option<String>,
    /// Why our own estimators have no value for its runs.
    #[serde(default)]
    pub(crate) estimate: Option<String>,
}
