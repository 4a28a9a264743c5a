//! The times of a run and of its parts.

use serde::{Deserialize, Serialize};

use units::{Seconds, Serving};

use crate::Surroundings;

/// The times of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Start of the run in seconds since 1970, by the wall clock. Differences of such times are not
    /// durations, because the wall clock can jump.
    pub started_unix_s: f64,
    /// Duration of the whole run with loading and evaluation, by the monotonic clock.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// Duration of the main span.
    #[serde(rename = "main_s")]
    pub main: Seconds,
    /// CPU time of all threads of the process during the main span; `None` if it could not be read.
    #[serde(rename = "main_cpu_s")]
    pub main_cpu: Option<Seconds>,
    /// Number of the run in the order in which the runs of the journal were done, from 0.
    pub order: u64,
    /// Times of the requests and batches, if a queue was served.
    pub serving: Option<Serving>,
    /// If the requests asked for photographs: the time that all batches together spent reading, decoding
    /// and preprocessing them.
    #[serde(rename = "preparing_s", default, skip_serializing_if = "Option::is_none")]
    pub preparing: Option<Seconds>,
    /// The conditions on the machine during the main span; `None` in records of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}
