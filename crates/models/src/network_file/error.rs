//! Errors of networks in files.

use std::path::PathBuf;

use units::limits::OutOfRange;

/// Why a network's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkFileError {
    /// The file cannot be read.
    #[error("failed to read network file `{}`: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is not a network in TOML.
    #[error("network file `{file}`: {reason}")]
    Format {
        /// The file.
        file: String,
        /// What is wrong, with the key and the remedy.
        reason: String,
    },
    /// A layer is wrong, or does not fit the layers before it.
    #[error("network file `{file}`: {place}: {reason}; input shape {input}")]
    Layer {
        /// The file.
        file: String,
        /// The layer's index in the file, from 0, and its kind.
        place: String,
        /// What is wrong.
        reason: String,
        /// The shape of the layer's input: channels×height×width, tokens×width, or features.
        input: String,
    },
    /// A key that was to be changed does not exist.
    #[error("network file `{file}`: there is no `{key}` to change: {reason}")]
    Key {
        /// The file.
        file: String,
        /// The key as given.
        key: String,
        /// What exists instead.
        reason: String,
    },
    /// The tensor library failed.
    #[error("network file `{file}`: tensor operation failed")]
    Tensor {
        /// The file.
        file: String,
        /// The cause.
        source: candle_core::Error,
    },
}

/// The longest part of an error that repeats what a file says, in characters.
const LONGEST: usize = 800;

/// The beginning of a text that may repeat something long from a file.
pub(super) fn shortened(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// What is wrong with a layer, before it is known which layer it is.
#[derive(Debug)]
pub(super) struct Wrong(pub(super) String);

impl From<OutOfRange> for Wrong {
    fn from(error: OutOfRange) -> Self {
        Self(error.to_string())
    }
}

impl From<String> for Wrong {
    fn from(text: String) -> Self {
        Self(text)
    }
}
