//! Errors of ONNX files.

use std::path::PathBuf;

/// Why a network in an ONNX file cannot be read or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnnxError {
    /// The file cannot be read, or is not an ONNX file, or contradicts itself.
    #[error("failed to read ONNX file `{}`: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The network needs an operator that there is no kernel for.
    #[error(
        "`{}`: node `{node}`: operator `{operator}` is not supported (opset {opset}); docs/onnx.md lists \
         the operators that are", path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Name of the node, or of its first output.
        node: String,
        /// The operator, with its domain if that is not ONNX's own.
        operator: String,
        /// The version of the operators that the file asks for.
        opset: i64,
    },
    /// A node's attributes or inputs do not fit its operator.
    #[error("`{}`: node `{node}`: operator `{operator}`: {reason}", path.display())]
    Node {
        /// The file.
        path: PathBuf,
        /// Name of the node, or of its first output.
        node: String,
        /// The operator.
        operator: String,
        /// What is wrong.
        reason: String,
    },
    /// The network is asked for something that it cannot do.
    #[error("`{}`: {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What it cannot do, and what is expected.
        reason: String,
    },
    /// The images do not fit the network's input.
    #[error("`{}` needs images of shape {expected}, got {found:?}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// The shape that it needs, with `n` for any size.
        expected: String,
        /// The shape of the images.
        found: Vec<usize>,
    },
}

impl OnnxError {
    /// An error about something that a network cannot do.
    pub(crate) fn unfit(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Unfit { path: path.into(), reason: reason.into() }
    }
}
