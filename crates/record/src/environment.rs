//! Where a run took place and by which code.

use serde::{Deserialize, Serialize};

use units::ProbeUse;

/// Where a run took place and by which code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The code.
    pub code: Code,
    /// The machine.
    pub machine: Machine,
    /// The probes that were read.
    pub probes: Vec<ProbeUse>,
    /// Threads the work may use.
    pub threads: usize,
}

/// The code of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Version of the package `wattlab`.
    pub version: String,
    /// Revision it was built from; `None` outside version control.
    pub revision: Option<String>,
    /// Whether the sources differed from that revision.
    pub modified: bool,
    /// `release` or `debug`.
    pub build: String,
}

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Operating system and kernel release.
    pub os: String,
    /// Processor architecture, as Rust names it.
    pub arch: String,
    /// Processor model as it calls itself.
    pub cpu: String,
    /// Processors this process may run on.
    pub cpus: usize,
    /// Memory, in bytes.
    pub memory_bytes: Option<u64>,
    /// The device the network ran on: `cpu`, `cuda:0`, ….
    pub device: String,
}
