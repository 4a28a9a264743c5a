//! Errors of descriptions, requests and journals.

use std::path::PathBuf;

use hpo::HpoError;
use record::JournalError;
use units::limits::OutOfRange;

/// Why a study cannot be opened, or a request cannot be answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunerError {
    /// A description or a request that cannot be used. The text says what is wrong and what to do.
    #[error("{0}")]
    Invalid(String),
    /// A number outside its limits.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The study refuses what was asked or told.
    #[error(transparent)]
    Study(#[from] HpoError),
    /// The journal cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A file that is not the journal of a study, or is damaged.
    #[error("`{path}` is not the journal of a study, or is damaged ({damage}); name another file")]
    NotAStudy {
        /// The file.
        path: PathBuf,
        /// The first lines that cannot be read, and why.
        damage: String,
    },
    /// A journal whose events do not fit the study.
    #[error("journal `{path}` cannot be replayed; name another file")]
    Replay {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Self>,
    },
    /// A description that cannot be used.
    #[error("`{path}`")]
    Description {
        /// The file.
        path: PathBuf,
        /// Why.
        source: Box<Self>,
    },
    /// A description that cannot be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// The error of a description or a request that cannot be used.
pub(crate) fn invalid(text: impl Into<String>) -> TunerError {
    TunerError::Invalid(text.into())
}

/// The error, unless the condition holds.
pub(crate) fn check(holds: bool, text: impl FnOnce() -> String) -> Result<(), TunerError> {
    if holds { Ok(()) } else { Err(TunerError::Invalid(text())) }
}
