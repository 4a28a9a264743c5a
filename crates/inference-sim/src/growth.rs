//! How a queue without a steady state grows.

use serde::Serialize;

/// How an unstable queue grew, from the waits in the first and in the last of 20 blocks of
/// requests. In the long run the wait grows by (load - 1) seconds per second, and the queue by that
/// times the throughput.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Growth {
    /// Seconds by which the wait gets longer, per second.
    pub wait_s_per_s: f64,
    /// Requests by which the queue gets longer, per second.
    pub requests_per_s: f64,
}
