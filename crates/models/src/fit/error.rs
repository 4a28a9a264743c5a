//! Errors of a training.

use std::{io, path::PathBuf};

use units::limits::OutOfRange;

/// Why a training cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// The batch size is 0.
    #[error("batch size is 0, expected at least 1")]
    EmptyBatch,
    /// The training split is empty.
    #[error("data set `{name}` has no training images")]
    NoImages {
        /// Name of the data set.
        name: String,
    },
    /// A split does not have as many pixels as its labels need.
    #[error("data set `{name}` has {values} values for {images} images of {features} values each")]
    Misfit {
        /// Name of the data set.
        name: String,
        /// Number of values.
        values: usize,
        /// Number of labels.
        images: usize,
        /// Values of one image.
        features: usize,
    },
    /// The colors of the images are not those that the network takes.
    #[error("data set `{name}` has images of {found} channels, the network takes {expected}")]
    Channels {
        /// Name of the data set.
        name: String,
        /// Channels of an image.
        found: usize,
        /// Channels that the network takes.
        expected: usize,
    },
    /// A label is not one of the network's classes.
    #[error(
        "data set `{name}` has label {label}, and the network has {classes} classes, numbered from 0; use a \
         network with more classes"
    )]
    Label {
        /// Name of the data set.
        name: String,
        /// The label.
        label: u32,
        /// Number of classes of the network.
        classes: usize,
    },
    /// No variable was chosen for training.
    #[error("none of the network's variables is to be trained")]
    NothingToTrain,
    /// A size is beyond its limit.
    #[error(transparent)]
    Size(#[from] OutOfRange),
    /// A file cannot be written or read.
    #[error("failed to {action} `{}`", path.display())]
    File {
        /// `write` or `read`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file does not hold the state of this training.
    #[error("`{}` does not hold the state of this training: {reason}", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
    /// A thread cannot be started.
    #[error("failed to start a thread")]
    Thread(#[source] io::Error),
    /// The observer asked the training to stop.
    #[error("stopped")]
    Stopped,
    /// The tensor library failed.
    #[error("tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}
