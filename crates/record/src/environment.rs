//! The machine and the code of a run.

use serde::{Deserialize, Serialize};

use units::ProbeUse;

/// The machine and the code of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// The version of wattlab.
    pub code: Code,
    /// The machine.
    pub machine: Machine,
    /// The sensors and models that were read.
    pub probes: Vec<ProbeUse>,
    /// Number of threads that the run could use.
    pub threads: usize,
}

/// The version of wattlab that did a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Version of the package `wattlab`.
    pub version: String,
    /// The git revision it was built from; `None` outside of version control.
    pub revision: Option<String>,
    /// Whether the sources had changes that were not committed.
    pub modified: bool,
    /// The build profile: `release` or `debug`.
    pub build: String,
}

/// The machine of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Operating system and kernel release.
    pub os: String,
    /// Processor architecture by its name in Rust, such as `x86_64`.
    pub arch: String,
    /// Processor model, as the processor reports it.
    pub cpu: String,
    /// Number of processors that the process could run on.
    pub cpus: usize,
    /// Size of the memory, in bytes; `None` if it could not be read.
    pub memory_bytes: Option<u64>,
    /// The device the network ran on: `cpu`, `cuda:0`, ….
    pub device: String,
    /// The instruction set of the networks' kernels on the CPU: `avx512`, `avx2` or `portable`. Older records
    /// lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
}
