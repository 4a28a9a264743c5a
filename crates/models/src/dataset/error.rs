//! Errors of data sets.

use std::path::PathBuf;

use units::limits::OutOfRange;

use crate::vision::VisionError;

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
        "failed to read `{}`; if it is truncated or damaged, get it again",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file differs from the published one.
    #[error(
        "the content of `{}` has SHA-256 {found}, expected {expected}; download it again",
        path.display()
    )]
    Checksum {
        /// The file.
        path: PathBuf,
        /// SHA-256 of its content in hex.
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
    /// Your own images are not in a form that can be read.
    #[error("`{}`: {problem}", path.display())]
    Own {
        /// The file or the folder.
        path: PathBuf,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// There is no data set of that name, and no such file or folder.
    #[error("there is no file or folder `{}`", path.display())]
    NoPath {
        /// The path as given.
        path: PathBuf,
    },
    /// An image cannot be decoded or prepared.
    #[error(transparent)]
    Image(#[from] VisionError),
    /// Images differ in size, and no side was given to resize them to.
    #[error(
        "data set `{name}`: its images are not all squares of one size; give the side to resize and \
         crop them to"
    )]
    Side {
        /// Name of the data set.
        name: String,
    },
    /// The images do not fit into memory.
    #[error(
        "data set `{name}`: {values} values do not fit into memory; use fewer or smaller images"
    )]
    Memory {
        /// Name of the data set.
        name: String,
        /// Number of values.
        values: u64,
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
        "data set `{name}` has {found} {split} images here, and {asked} are requested; request fewer, or \
         add the rest of its files"
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
