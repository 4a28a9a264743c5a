//! Errors of data sets.

use std::path::PathBuf;

use units::limits::OutOfRange;

/// Why a data set cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The name is not that of a data set.
    #[error("unknown data set `{name}`; available data sets: {known}")]
    Unknown {
        /// The name as given.
        name: String,
        /// Names of all data sets.
        known: String,
    },
    /// The data set consists of files, and no folder was given.
    #[error(
        "data set `{name}` needs files: give their folder by `--data-dir DIR`, or download them by \
         `cargo xtask datasets fetch {name}`"
    )]
    NoFolder {
        /// Name of the data set.
        name: String,
    },
    /// A file was not found.
    #[error(
        "file `{file}` of data set `{name}` is neither in `{}` nor in its folder `{name}`; download \
         it by `cargo xtask datasets fetch {name} --to {}`",
        folder.display(),
        folder.display()
    )]
    Missing {
        /// Name of the data set.
        name: String,
        /// Name of the file.
        file: String,
        /// The folder that was searched.
        folder: PathBuf,
    },
    /// A file cannot be read or decompressed.
    #[error(
        "failed to read `{}`: it is truncated or damaged; download it again",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file differs from the published one.
    #[error("`{}` has SHA-256 {found}, expected {expected}; download it again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// Its SHA-256 in hex.
        found: String,
        /// The published SHA-256 in hex.
        expected: String,
    },
    /// The content of a file does not match its format.
    #[error("`{}`: {problem}; the file is damaged or has another format", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
    /// A number of images is beyond its limit.
    #[error("data set `{name}`")]
    Size {
        /// Name of the data set.
        name: String,
        /// The number and its limit.
        source: OutOfRange,
    },
    /// A split has fewer images than requested.
    #[error(
        "data set `{name}` has {found} {split} images, the profile requests {asked}; request fewer"
    )]
    TooFew {
        /// Name of the data set.
        name: String,
        /// `training` or `test`.
        split: &'static str,
        /// Number of images in the data set.
        found: usize,
        /// Number of images requested.
        asked: usize,
    },
}
