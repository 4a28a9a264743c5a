//! Errors of vision networks and of their images and weights.

use std::path::PathBuf;

use units::limits::OutOfRange;

use crate::{device::DeviceError, network_file::NetworkFileError, onnx::OnnxError};

/// Why a vision network cannot be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VisionError {
    /// The name is not that of a network.
    #[error("unknown network `{name}`; available networks: {known}")]
    Unknown {
        /// The name as given.
        name: String,
        /// Names of all networks.
        known: String,
    },
    /// The images are too small.
    #[error("network `{name}` needs images of at least {least}×{least} pixels, got {side}×{side}")]
    TooSmall {
        /// Name of the network.
        name: String,
        /// The smallest side that it accepts, in pixels.
        least: usize,
        /// The shorter side of the images as given, in pixels.
        side: usize,
    },
    /// The network accepts one size only, and the images have another.
    #[error("network `{name}` needs images of {side}×{side} pixels, got {height}×{width}")]
    Side {
        /// Name of the network.
        name: String,
        /// The side that it accepts, in pixels.
        side: usize,
        /// Height of the images as given, in pixels.
        height: usize,
        /// Width of the images as given, in pixels.
        width: usize,
    },
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
    /// A state dict has tensors that the network does not have.
    #[error(
        "state dict: network `{network}` has no {names}; use the weights of this network, or leave out the \
         tensors that it does not use"
    )]
    Unused {
        /// Name of the network.
        network: String,
        /// Names of the tensors.
        names: String,
    },
    /// A file of weights cannot be read.
    #[error("failed to read weights from `{}`: {reason}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of an image cannot be read.
    #[error("failed to read image `{}`: {reason}; expected a JPEG or PNG file", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The number of bytes does not match the size of the image.
    #[error(
        "an image of {height}×{width} pixels has {bytes} bytes, expected at least one pixel and 3 \
         bytes per pixel"
    )]
    Pixels {
        /// Height as given, in pixels.
        height: u32,
        /// Width as given, in pixels.
        width: u32,
        /// Number of bytes as given.
        bytes: usize,
    },
    /// The preprocessing does not fit the image.
    #[error(
        "an image of {height}×{width} pixels cannot be resized to a shorter side of {resize} and \
         cropped to {crop}: the crop must be at least 1 and at most the resized side"
    )]
    Preprocessing {
        /// Height of the image in pixels.
        height: u32,
        /// Width of the image in pixels.
        width: u32,
        /// Shorter side after resizing, as given.
        resize: u32,
        /// Side of the crop, as given.
        crop: u32,
    },
    /// A network's file cannot be used.
    #[error(transparent)]
    File(Box<NetworkFileError>),
    /// An ONNX file cannot be used.
    #[error(transparent)]
    Onnx(Box<OnnxError>),
    /// Images have 1 channel (gray) or 3 (color) only.
    #[error(
        "an image cannot have {channels} channels, expected 1 (gray) or 3 (red, green and blue)"
    )]
    Channels {
        /// Number of channels as given.
        channels: usize,
    },
    /// The network cannot run with 8-bit integers.
    #[error("network `{network}` cannot run in int8: {reason}")]
    Int8 {
        /// Name of the network.
        network: String,
        /// What is missing.
        reason: String,
    },
    /// A size is beyond its limit.
    #[error(transparent)]
    Size(#[from] OutOfRange),
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The tensor library failed.
    #[error("tensor operation failed")]
    Tensor(#[from] candle_core::Error),
}

impl From<NetworkFileError> for VisionError {
    fn from(error: NetworkFileError) -> Self {
        Self::File(Box::new(error))
    }
}

impl From<OnnxError> for VisionError {
    fn from(error: OnnxError) -> Self {
        Self::Onnx(Box::new(error))
    }
}

impl VisionError {
    /// An error about the shape of a tensor.
    pub(super) fn shape(text: String) -> Self {
        Self::Tensor(candle_core::Error::Msg(text))
    }
}
