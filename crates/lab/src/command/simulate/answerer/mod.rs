//! What answers the batches of a calibration: a network of this program, or somebody else's server.

mod command;
mod http;

use meter::Meter;

pub(super) use self::{command::Command, http::HttpFlags};
use crate::Failure;

/// Answers batches of requests.
pub(super) trait Answerer {
    /// Answers a batch; `requests` are their numbers. Returns when all are answered.
    fn answer(&mut self, requests: &[usize]) -> Result<(), Failure>;

    /// Measures every batch by itself from now on, as a live queue does; `None` to stop.
    fn metered(&mut self, _meter: Option<&Meter>) {}

    /// Whether the work is done by this process, so that the load of all others disturbs it.
    fn is_in_this_process(&self) -> bool;

    /// Whether the meter sees the energy of the work.
    fn has_joules(&self) -> bool;
}
