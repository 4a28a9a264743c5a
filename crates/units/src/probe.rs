//! Which sensors and models were read.

use serde::{Deserialize, Serialize};

use crate::{Domain, Method};

/// A channel of a probe that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeUse {
    /// Name of the probe.
    pub probe: String,
    /// The part of the machine that the channel covers.
    pub domain: Domain,
    /// The device: `package-0`, the UUID of a GPU, ….
    pub device: String,
    /// How its readings are turned into joules.
    pub method: Method,
    /// For a model: its name and coefficients, as text; `None` for a sensor.
    pub model: Option<String>,
}
