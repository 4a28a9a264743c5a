//! Outcomes: the results of a run that its seed determines, so that two runs of one spec can be compared.

use serde::{Deserialize, Serialize};

/// The outcome of a run: the results that its spec determines.
///
/// Times and energies depend on the machine and are stored elsewhere in the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Outcome of [`crate::Task::Train`].
    Trained(Trained),
    /// Outcome of [`crate::Task::Serve`].
    Served(Served),
    /// Outcome of [`crate::Task::Infer`].
    Inferred(Inferred),
    /// Outcome of [`crate::Task::Evaluate`].
    Evaluated(Evaluated),
}

/// The images that a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataUse {
    /// Name of the data set.
    pub name: String,
    /// SHA-256 of the pixels and labels, in hexadecimal digits.
    pub sha256: String,
    /// Number of training images.
    pub train: usize,
    /// Number of validation images.
    pub validation: usize,
    /// Number of test images.
    pub test: usize,
}

/// The outcome of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The images that were used.
    pub data: DataUse,
    /// Number of trainable parameters.
    pub parameters: usize,
    /// One entry per finished epoch.
    pub epochs: Vec<EpochOutcome>,
    /// Accuracy on the validation images after the last epoch, in [0, 1]; `None` without validation
    /// images.
    pub validation_accuracy: Option<f64>,
    /// Accuracy on the test images after the last epoch, in [0, 1].
    pub test_accuracy: f64,
    /// The epoch, from 0, in which the loss became infinite or NaN, which ended the training; `None` if
    /// it never did.
    pub diverged_in_epoch: Option<u32>,
}

/// The results of one epoch of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochOutcome {
    /// Mean cross-entropy over the epoch's minibatches, in nats; `None` if it was infinite or NaN.
    pub loss: Option<f64>,
    /// Accuracy on the training images, each at the step that trained on it, in [0, 1].
    pub accuracy: f64,
}

/// The outcome of serving a queue. Its times depend on the machine and are in [`crate::Serving`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// Number of requests answered.
    pub requests: usize,
    /// Number of parameters of the network.
    pub parameters: usize,
    /// SHA-256 of the intended arrival times, in hexadecimal digits.
    pub arrivals_sha256: String,
    /// SHA-256 of the names and bytes of the photographs, in hexadecimal digits; `None` if the requests
    /// did not ask for photographs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photographs_sha256: Option<String>,
}

/// The outcome of an inference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inferred {
    /// Total number of images.
    pub images: usize,
    /// Number of parameters of the network.
    pub parameters: usize,
    /// Mean of the logits of the last batch, which identifies the arithmetic.
    pub mean_logit: f64,
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluated {
    /// The images that were used.
    pub data: DataUse,
    /// Number of images whose most likely class is the label.
    pub correct: usize,
    /// Number of parameters of the network.
    pub parameters: usize,
}
