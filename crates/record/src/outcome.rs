//! What a run found: all that the seed determines, so that two runs of one spec can be compared.

use serde::{Deserialize, Serialize};

/// The outcome of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Of [`crate::Task::Train`].
    Trained(Trained),
    /// Of [`crate::Task::Serve`].
    Served(Served),
    /// Of [`crate::Task::Infer`].
    Inferred(Inferred),
}

/// The images that were used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataUse {
    /// Name of the set.
    pub name: String,
    /// SHA-256 over the pixels and labels that were used, in hex.
    pub sha256: String,
    /// Images trained on.
    pub train: usize,
    /// Images hyper-parameters are chosen by.
    pub validation: usize,
    /// Images tested on.
    pub test: usize,
}

/// A training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// The images.
    pub data: DataUse,
    /// Trainable numbers in the network.
    pub parameters: usize,
    /// One entry a finished epoch.
    pub epochs: Vec<EpochOutcome>,
    /// Share of the validation images that are right at the end, in [0, 1]; `None` without any.
    pub validation_accuracy: Option<f64>,
    /// Share of the test images that are right at the end, in [0, 1].
    pub test_accuracy: f64,
    /// The epoch (from 0) in which the loss stopped being a number, which ended the training.
    pub diverged_in_epoch: Option<u32>,
}

/// An epoch of a training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochOutcome {
    /// Mean cross-entropy over the epoch's minibatches, in nats; `None` if it was not a number.
    pub loss: Option<f64>,
    /// Share of the training images that were right as they were trained on, in [0, 1].
    pub accuracy: f64,
}

/// A served queue. Its times depend on the machine and are in [`crate::Serving`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Served {
    /// Requests answered.
    pub requests: usize,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// SHA-256 over the intended arrival times, in hex.
    pub arrivals_sha256: String,
    /// SHA-256 over the names and bytes of the photographs served, in hex; `None` if there were none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photographs_sha256: Option<String>,
}

/// A network run forward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inferred {
    /// Images in all.
    pub images: usize,
    /// Trained numbers in the network.
    pub parameters: usize,
    /// Mean of the last batch's logits: a fingerprint of the arithmetic.
    pub mean_logit: f64,
}
