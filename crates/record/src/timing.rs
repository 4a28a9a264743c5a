//! How long a run and its parts took.

use serde::{Deserialize, Serialize};

use units::{Seconds, Serving};

use crate::Surroundings;

/// The times of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// Wall clock at the start, seconds since 1970; for people, never for arithmetic.
    pub started_unix_s: f64,
    /// Whole run, loading and evaluation included, on the monotonic clock.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// The main span.
    #[serde(rename = "main_s")]
    pub main: Seconds,
    /// CPU time of this process during the main span, all threads.
    #[serde(rename = "main_cpu_s")]
    pub main_cpu: Option<Seconds>,
    /// Position in the order in which the journal's runs were executed, from 0.
    pub order: u64,
    /// Of a served queue.
    pub serving: Option<Serving>,
    /// Of a queue of photographs: the part of all its batches' service that went by before the
    /// network ran, reading, decoding and preprocessing.
    #[serde(rename = "preparing_s", default, skip_serializing_if = "Option::is_none")]
    pub preparing: Option<Seconds>,
    /// What went on around the main span; records of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surroundings: Option<Surroundings>,
}
