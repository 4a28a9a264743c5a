//! Which probes work on this machine.

use crate::source::Channel;

/// Whether a probe can be used on this machine, and if not, why and what to do about it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ProbeStatus {
    /// The probe's name.
    pub probe: String,
    /// Whether it is read.
    pub available: bool,
    /// The channels that are read; empty if the probe is not available.
    pub channels: Vec<Channel>,
    /// In words: what is read, or why the probe or a part of it cannot be read.
    pub reason: Option<String>,
    /// What to do about that; `None` if nothing is wrong or nothing can be done.
    pub remedy: Option<String>,
}
