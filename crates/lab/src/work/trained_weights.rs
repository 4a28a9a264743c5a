//! The file of a trained network's weights, and why a trained network cannot be evaluated.

use std::path::PathBuf;

use record::WeightsFile;

use crate::{
    data::{DataFolder, is_below},
    download::sha256_of,
};

/// Why a trained network cannot be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The file of the weights is not there.
    #[error(
        "weights `{file}` are missing: there is no such file below the folder of data sets{}; put it there, or give \
         another folder by `--data-dir DIR`",
        in_folder(path.as_ref())
    )]
    Missing {
        /// The path below the folder of data sets.
        file: String,
        /// Where it was looked for; `None` if there is no folder of data sets.
        path: Option<PathBuf>,
    },
    /// The path of the weights leads out of the folder of data sets.
    #[error("weights `{file}` are not below the folder of data sets, expected a path without `..`")]
    Outside {
        /// The path.
        file: String,
    },
    /// The file of the weights is another one than the profile's.
    #[error(
        "weights `{}` have SHA-256 {found}, expected {expected}; if this is the right file, write the former into \
         the profile",
        path.display()
    )]
    OtherFile {
        /// The file.
        path: PathBuf,
        /// Its checksum.
        found: String,
        /// That of the spec.
        expected: String,
    },
    /// The file of the weights cannot be read.
    #[error("weights `{}` cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// Network, weights, images and preparation do not fit each other.
    #[error("network `{network}` with weights `{weights}`: {reason}")]
    Unfit {
        /// The network.
        network: String,
        /// The file of its weights.
        weights: String,
        /// What does not fit, and what is expected.
        reason: String,
    },
}

fn in_folder(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| format!(" (`{}`)", path.display()))
}

/// The path of the weights, if the file is the one that the spec names.
pub(super) fn weights_path(
    folder: &DataFolder,
    weights: &WeightsFile,
) -> Result<PathBuf, EvaluationError> {
    let WeightsFile { file, sha256 } = weights;
    if !is_below(file) {
        return Err(EvaluationError::Outside { file: file.clone() });
    }
    let path = folder.file(file);
    let Some(path) = path.as_ref().filter(|path| path.exists()) else {
        return Err(EvaluationError::Missing { file: file.clone(), path });
    };
    let found = sha256_of(path).map_err(|error| {
        let reason = format!("{error:#}");
        EvaluationError::Read { path: path.clone(), reason }
    })?;
    if found != *sha256 {
        let (path, expected) = (path.clone(), sha256.clone());
        return Err(EvaluationError::OtherFile { path, found, expected });
    }
    Ok(path.clone())
}
