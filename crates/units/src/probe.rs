//! Which sensors and models were read.

use serde::{Deserialize, Serialize};

use crate::{Domain, Method};

/// A channel of a probe that was in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeUse {
    /// The probe.
    pub probe: String,
    /// What it covers.
    pub domain: Domain,
    /// Which one.
    pub device: String,
    /// How its readings become joules.
    pub method: Method,
    /// For a model: which, with its coefficients, in words.
    pub model: Option<String>,
}
