//! Why a plugin could not be run in a process of its own.

use std::io;

/// Why a plugin could not be run in a process of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsolateError {
    /// The child process cannot be started.
    #[error("failed to start a process for the plugin")]
    Start(#[from] io::Error),
    /// The plugin cannot be used: the text of the [`LoadError`](crate::LoadError).
    #[error("{0}")]
    Refused(String),
    /// The plugin works, but its hardware is missing: the fields of
    /// [`LoadError::Open`](crate::LoadError::Open).
    #[error(
        "plugin `{name}` cannot open its hardware: {reason} (code {code}){}",
        remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default()
    )]
    Open {
        /// The name that the probe gives itself.
        name: String,
        /// A negative number that the probe chose.
        code: i32,
        /// The reason that the probe gives.
        reason: String,
        /// What to do about it, if the probe says so.
        remedy: Option<String>,
    },
    /// The child ended, did not answer in time, or sent something unexpected.
    #[error("the plugin's process {0}")]
    Lost(String),
}
