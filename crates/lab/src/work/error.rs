//! Why a run could not be finished.

use models::{DataError, DeviceError, NetworkFileError, TrainError, vision::VisionError};

use super::trained_weights::EvaluationError;
use crate::images::PhotographsError;

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The user or the system asked the program to stop.
    #[error("interrupted")]
    Interrupted,
    /// The images of a training are missing or damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network cannot be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A network in a file cannot be read.
    #[error(transparent)]
    File(Box<NetworkFileError>),
    /// candle's autograd was asked to train on a GPU.
    #[error(
        "{what} trains on the processor only, and `--device` is `{device}`; use `--device cpu`, or our engine and \
         the study's networks"
    )]
    NotOnDevice {
        /// What was asked for, in words.
        what: String,
        /// Name of the device.
        device: String,
    },
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The vision network cannot be built or run.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The photographs that requests ask for are missing or damaged.
    #[error(transparent)]
    Photographs(#[from] PhotographsError),
    /// The arrivals or the batching policy of a queue are not valid.
    #[error(transparent)]
    Arrivals(Box<inference_sim::ConfigError>),
    /// A trained network cannot be evaluated.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// The images of a batch do not fit into the memory.
    #[error("`batch` is {batch}: {reason}")]
    Memory {
        /// Number of images in the batch.
        batch: usize,
        /// What does not fit, and what is expected.
        reason: String,
    },
    /// Other runs may be measured at the same time by the same sensors.
    #[error(
        "several runs at once would be measured by the same sensors ({domains}), and each would \
         count the energy of all; do one run at a time (without `--workers`; with `exclusive = \
         true` in `[slurm]`), or set `shared_domains = true` in the profile's `[isolation]`, so \
         that each record carries a warning"
    )]
    SharedDomain {
        /// The domains that these sensors measure, in words.
        domains: String,
    },
}

impl From<inference_sim::ConfigError> for RunError {
    fn from(error: inference_sim::ConfigError) -> Self {
        Self::Arrivals(Box::new(error))
    }
}

impl From<NetworkFileError> for RunError {
    fn from(error: NetworkFileError) -> Self {
        Self::File(Box::new(error))
    }
}
