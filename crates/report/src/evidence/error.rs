//! Why a data set cannot be used.

use std::path::PathBuf;

/// Why an adapter or its tables cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The adapter is not valid TOML, or lacks a key.
    #[error(
        "`{file}` is not an adapter of a data set; correct it as `datasets/evidence/README.md` describes"
    )]
    Toml {
        /// The adapter.
        file: String,
        /// Line, key and problem.
        source: Box<toml::de::Error>,
    },
    /// A value of the adapter cannot be used.
    #[error("`{file}`: `{key}` {problem}")]
    Key {
        /// The adapter.
        file: String,
        /// The key.
        key: &'static str,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// A table cannot be read.
    #[error("failed to read `{}`", path.display())]
    Unreadable {
        /// File or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A table is not the published one.
    #[error(
        "`{file}` has SHA-256 {found}, but the adapter `{adapter}` describes {expected}; get the \
         published file again, or leave `sha256` out of an adapter of your own"
    )]
    Checksum {
        /// The table.
        file: String,
        /// Name of the adapter.
        adapter: String,
        /// SHA-256 of the content.
        found: String,
        /// What the adapter says.
        expected: String,
    },
    /// A table is not CSV.
    #[error("`{file}` is not a table in CSV")]
    Csv {
        /// The table.
        file: String,
        /// Line and problem.
        source: csv::Error,
    },
    /// The line with the columns' names is missing.
    #[error("`{file}` has no line `{header}`, with which the adapter says that its table begins")]
    Header {
        /// The table.
        file: String,
        /// The line.
        header: String,
    },
    /// A column is missing.
    #[error(
        "`{file}` has no column `{column}`, which the adapter `{adapter}` names; it has {found}"
    )]
    Column {
        /// The table.
        file: String,
        /// Name of the adapter.
        adapter: String,
        /// The missing column.
        column: String,
        /// The columns that it has.
        found: String,
    },
    /// A value is out of range.
    #[error("`{file}`, line {line}: `{column}` is `{value}`, expected {expected}")]
    Value {
        /// The table.
        file: String,
        /// Counted from 1, the header included.
        line: usize,
        /// Its column.
        column: String,
        /// As found.
        value: String,
        /// In words.
        expected: &'static str,
    },
    /// A table has too many rows.
    #[error("`{file}` has more than {most} rows; give a condensed table")]
    TooLong {
        /// The table.
        file: String,
        /// The limit.
        most: usize,
    },
    /// The licence forbids a copy.
    #[error("data set `{name}` must not be copied: licence {licence}")]
    NotFree {
        /// Name of the data set.
        name: String,
        /// Its licence, in words.
        licence: String,
    },
}
