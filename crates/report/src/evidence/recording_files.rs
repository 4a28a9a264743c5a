//! How an adapter describes a recording.

use serde::Deserialize;

/// A recording in an adapter: a folder of its name with `nvidia_smi.csv` and `meter.csv`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RecordingFiles {
    /// Its name: the board's name, a hyphen, and the kind of load. Also the name of its folder.
    pub name: String,
    /// The device, for readers.
    pub device: String,
    /// The device's power cap in watts, which our model of a GPU without a sensor reads.
    pub power_cap_w: f64,
    /// SHA-256 of the driver's readings and of the meter's samples, uncompressed, in hex.
    #[serde(default)]
    pub sha256: Option<[String; 2]>,
    /// The same of the condensed copies.
    #[serde(default)]
    pub condensed_sha256: Option<[String; 2]>,
}
