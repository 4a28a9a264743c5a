//! Why a probe could not be used.

use std::{io, path::PathBuf};

use probe_abi::{ABI, Refusal};

/// Why a probe could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file cannot be looked at.
    #[error("failed to find plugin `{}`; check the path", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Anybody may change the file or put another in its place, and it would run with our rights.
    #[error(
        "plugin `{}` can be replaced by everybody; run `chmod o-w {}`",
        path.display(),
        culprit.display()
    )]
    WorldWritable {
        /// The plugin.
        path: PathBuf,
        /// What can be written: the file or its folder.
        culprit: PathBuf,
    },
    /// Not a shared library, or it lacks the symbol `wattlab_probe`.
    #[error("failed to load plugin `{}`", path.display())]
    Library {
        /// The file.
        path: PathBuf,
        /// The loader's reason.
        source: libloading::Error,
    },
    /// Built for another version of the interface.
    #[error("plugin `{}` speaks abi {found}, this meter speaks {ABI}; build it again", path.display())]
    Abi {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It answers no table, a short one, or one without functions.
    #[error("plugin `{}` answers no table of abi {ABI}: {refusal:?}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        refusal: Refusal,
    },
    /// Its hardware is not here.
    #[error("plugin `{name}` cannot open its hardware: {reason} (code {code})")]
    Open {
        /// As the probe calls itself.
        name: String,
        /// Negative, chosen by the probe.
        code: i32,
        /// In the probe's words.
        reason: String,
        /// What to do about it, in the probe's words.
        remedy: Option<String>,
    },
    /// The probe refuses an option.
    #[error(
        "plugin `{name}` refuses option `{key}` = `{value}` ({reason}); its README lists what it takes"
    )]
    Option {
        /// As the probe calls itself.
        name: String,
        /// The option.
        key: String,
        /// Its value.
        value: String,
        /// In words.
        reason: String,
    },
    /// A channel makes no sense.
    #[error("plugin `{name}`: {problem}")]
    Channel {
        /// As the probe calls itself.
        name: String,
        /// What is wrong.
        problem: String,
    },
}
