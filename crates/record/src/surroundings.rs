//! What went on around a run while it was measured.

use serde::{Deserialize, Serialize};

/// Where exactly a run was done, and what may have disturbed it. What could not be read is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Surroundings {
    /// Name of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The worker process; absent where the program did the run itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<String>,
    /// The processors the run was pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Vec<usize>>,
    /// Share of all processors of the machine that others used during the main span.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_share: Option<f64>,
    /// The same of the processors the run was pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub others_on_own_cpus: Option<f64>,
    /// Times the run was done before and not kept, because others used the machine; what those
    /// cost are the spans `discarded`.
    #[serde(skip_serializing_if = "is_zero")]
    pub repeats: u32,
    /// Highest temperature of the processor before and after the main span, in °C.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<[f64; 2]>,
    /// Mean clock of the run's processors before and after the main span, in Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_hz: Option<[f64; 2]>,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}
