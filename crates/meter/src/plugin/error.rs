//! Why a probe could not be used.

use std::{io, path::PathBuf};

use probe_abi::{ABI, Refusal};

use super::trust::TrustFault;

/// Why a probe could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be found or read.
    #[error("failed to find plugin `{}`; check the path", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The path leads to something else than a file.
    #[error("plugin `{}` is not a file; name a shared library", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others may change or replace the file, whose code would run with the rights of this process.
    #[error(
        "others can replace `{}`, whose code would run with your rights: {}",
        path.display(),
        fault.of(culprit)
    )]
    Untrusted {
        /// The plugin.
        path: PathBuf,
        /// What others can change: the file or one of the folders above it.
        culprit: PathBuf,
        /// Who can change it.
        fault: TrustFault,
    },
    /// The file is not a shared library, or lacks the symbol `wattlab_probe`.
    #[error("failed to load plugin `{}`", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// The loader's reason.
        source: libloading::Error,
    },
    /// The probe was built for another version of the interface.
    #[error(
        "plugin `{}` was built for ABI v{found} of the probe interface, expected v{ABI}; build it \
         again",
        path.display()
    )]
    Abi {
        /// The file.
        path: PathBuf,
        /// The version it was built for.
        found: u32,
    },
    /// The probe returns no function table, or one that is too short or incomplete.
    #[error(
        "plugin `{}` does not export a compatible function table (ABI v{ABI}): {refusal}",
        path.display()
    )]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// The probe works, but its hardware is missing.
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
    /// The probe refuses an option.
    #[error(
        "plugin `{name}` refuses option `{key}` = `{value}` ({reason}); its README lists its options"
    )]
    Option {
        /// The name that the probe gives itself.
        name: String,
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// The reason.
        reason: String,
    },
    /// The description of a channel is not valid.
    #[error("plugin `{name}`: {problem}")]
    Channel {
        /// The name that the probe gives itself.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

impl LoadError {
    /// The error and its causes, in one text.
    #[must_use]
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}
