//! The conditions under which a run was measured.

use serde::{Deserialize, Serialize};

/// Where a run was done, and what may have disturbed it. `None`: could not be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Surroundings {
    /// Host name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Name of the worker process; `None` if the main process did the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// Numbers of the processors that the run was pinned to; `None` if it was not pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Vec<usize>>,
    /// Share of the processor time of the machine that other processes used during the main span, in
    /// [0, 1].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_share: Option<f64>,
    /// The same share of the processors that the run was pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_on_own_cpus: Option<f64>,
    /// How often the run was done before and discarded because other processes used the machine. The
    /// energies of the discarded runs are in the spans named `discarded`.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeats: u32,
    /// Highest processor temperature before and after the main span, in °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<[f64; 2]>,
    /// Mean clock frequency of the run's processors before and after the main span, in Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_hz: Option<[f64; 2]>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
