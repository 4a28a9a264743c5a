//! Errors of the study's networks and of their training.

use units::limits::OutOfRange;

use crate::{device::DeviceError, network_file::NetworkFileError};

/// Why a network cannot be built or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Halving the images in every block leaves no pixel.
    #[error(
        "images of {side}×{side} pixels are too small for {conv} convolution blocks, each of which \
         halves the side; use at most {most} blocks"
    )]
    TooDeep {
        /// Side of the images in pixels.
        side: usize,
        /// Convolution blocks as given.
        conv: u32,
        /// The largest number of blocks that leaves a pixel.
        most: u32,
    },
    /// There is no linear layer.
    #[error("a network with 0 linear layers has no classifier; use at least 1")]
    NoClassifier,
    /// A dense network was given convolution blocks.
    #[error("network `{network}` has no convolution blocks, got {conv}; use 0")]
    NotConvolutional {
        /// Name of the network.
        network: &'static str,
        /// Convolution blocks as given.
        conv: u32,
    },
    /// A size is 0.
    #[error(
        "images of {channels}×{side}×{side} in {classes} classes: each size must be at least 1"
    )]
    Empty {
        /// Channels of an image.
        channels: usize,
        /// Side of the images in pixels.
        side: usize,
        /// Number of classes.
        classes: usize,
    },
    /// A size is beyond its limit.
    #[error(transparent)]
    Size(#[from] OutOfRange),
    /// A tensor of a state dict is missing or has another shape.
    #[error("state dict: tensor `{name}` is {found}, expected shape {expected:?}")]
    State {
        /// Name of the tensor.
        name: String,
        /// `missing`, or its shape.
        found: String,
        /// The shape that the network needs.
        expected: Vec<usize>,
    },
    /// The tensor library failed.
    #[error("tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}

/// Why a training cannot start or continue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The network cannot be built.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The minibatch size is 0.
    #[error("minibatch size is 0, expected at least 1")]
    EmptyMinibatch,
    /// The training split is empty.
    #[error("data set `{name}` has no training images")]
    NoImages {
        /// Name of the data set.
        name: String,
    },
    /// The number of values does not match the number of labels.
    #[error("got {values} values for {images} images of {features} values each")]
    Misfit {
        /// Number of values given.
        values: usize,
        /// Number of labels given.
        images: usize,
        /// Values of one image.
        features: usize,
    },
    /// A label is not one of the network's classes.
    #[error("label {label} is out of range: the network has {classes} classes, numbered from 0")]
    Label {
        /// The label as given.
        label: u32,
        /// Number of classes of the network.
        classes: usize,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The network's file does not fit the images.
    #[error(transparent)]
    File(Box<NetworkFileError>),
    /// A thread cannot be started.
    #[error("failed to start a thread")]
    Thread(#[source] std::io::Error),
    /// The observer asked the training to stop.
    #[error("stopped")]
    Stopped,
}

impl From<NetworkFileError> for TrainError {
    fn from(error: NetworkFileError) -> Self {
        Self::File(Box::new(error))
    }
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        NetworkError::from(error).into()
    }
}
