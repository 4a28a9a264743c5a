//! What can be wrong with the description of a queue.

use std::path::PathBuf;

use units::limits::{Limit, OutOfRange};

/// A description that cannot be simulated. The message names the key, what was found and what is
/// expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number outside the limits for its kind.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// A value that is not allowed.
    #[error("`{key}` is {found}: expected {expected}")]
    Invalid {
        /// The key, as in the file.
        key: &'static str,
        /// Its value.
        found: String,
        /// The range.
        expected: &'static str,
    },
    /// A required key that is missing.
    #[error("`{key}` is missing: {needed_by} needs {expected}")]
    Missing {
        /// The key, as in the file.
        key: &'static str,
        /// What needs it.
        needed_by: String,
        /// The range.
        expected: &'static str,
    },
    /// A key that the chosen kind would ignore.
    #[error("`{key}` is not used by {kind}: remove it")]
    Unused {
        /// The key, as in the file.
        key: &'static str,
        /// The kind that does not use it.
        kind: String,
    },
    /// A mistake in one of the further models.
    #[error("model {number} of `models`: {error}")]
    Model {
        /// Its number, from 1.
        number: usize,
        /// The mistake.
        error: Box<ConfigError>,
    },
    /// A mistake in the large network of a cascade.
    #[error("`cascade`: {error}")]
    Cascade {
        /// The mistake.
        error: Box<ConfigError>,
    },
    /// A trace that could not be read as CSV.
    #[error("trace `{}` could not be read; check the path of `arrivals.file` and that it is CSV", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// A trace without its column.
    #[error("trace `{}` has no column `{column}`: found `{found}` in its first line", path.display())]
    TraceColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its first line.
        found: String,
    },
    /// A trace without arrivals.
    #[error("trace `{}` has no lines after its header: expected at least one arrival", path.display())]
    TraceEmpty {
        /// The file.
        path: PathBuf,
    },
    /// A trace that would not fit into the memory.
    #[error("trace `{}` has more than {} arrivals: use a part of it", path.display(), units::limits::LIVE_REQUESTS.max())]
    TraceTooLong {
        /// The file.
        path: PathBuf,
    },
    /// A column that would be ignored.
    #[error(
        "trace `{}` has an unknown column `{column}`: expected `arrival_s`, `size`, `priority`, `timeout_s`, \
         `prompt_tokens` and `output_tokens`; remove it, or say which columns to read by `arrivals.columns`",
        path.display()
    )]
    TraceUnknownColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
    /// A value of a trace that cannot be used.
    #[error("trace `{}`, line {line}: `{column}` is `{found}`: expected {expected}", path.display())]
    TraceValue {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// The value.
        found: String,
        /// The range.
        expected: &'static str,
    },
    /// A Triton model configuration that could not be used.
    #[error("Triton configuration `{}`: {found}", path.display())]
    Triton {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// A file of measured steps that cannot be used.
    #[error("measured steps `{}`: {found}", path.display())]
    Steps {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do about it.
        found: String,
    },
    /// Measured steps from which no law follows.
    #[error(
        "{found} different steps were measured: expected at least {least}, because some are left out to test the law"
    )]
    FewSteps {
        /// Different numbers of tokens, sequences and so on.
        found: usize,
        /// The fewest.
        least: usize,
    },
    /// A trace shorter than the simulation.
    #[error("`requests` is {requests}, but the trace has {found} arrivals: lower `requests`")]
    TraceTooShort {
        /// Requests asked for.
        requests: usize,
        /// Arrivals in the trace.
        found: usize,
    },
}

/// `value` if it is within the limit.
pub(crate) fn limited(
    key: &'static str,
    value: f64,
    limit: Limit<f64>,
) -> Result<f64, ConfigError> {
    limit.check(value).map_err(|error| error.of_key(key).into())
}

/// `value` if it is within the limit.
pub(crate) fn limited_count(
    key: &'static str,
    value: usize,
    limit: Limit<u64>,
) -> Result<usize, ConfigError> {
    limit.check(value).map_err(|error| error.of_key(key).into())
}

/// `value` if `valid`.
pub(crate) fn within<T: ToString>(
    key: &'static str,
    value: T,
    valid: bool,
    expected: &'static str,
) -> Result<T, ConfigError> {
    if valid {
        Ok(value)
    } else {
        Err(ConfigError::Invalid { key, found: value.to_string(), expected })
    }
}
