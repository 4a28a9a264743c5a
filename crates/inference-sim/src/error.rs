//! What can be wrong with a description of a queue.

use std::path::PathBuf;

/// A queue was described that cannot be simulated; the message names the key and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A value outside its range.
    #[error("`{key}` is {found}: expected {expected}")]
    Invalid {
        /// The key, as in the file.
        key: &'static str,
        /// Its value.
        found: String,
        /// The range.
        expected: &'static str,
    },
    /// A key that the chosen kind needs.
    #[error("`{key}` is missing: {needed_by} needs {expected}")]
    Missing {
        /// The key, as in the file.
        key: &'static str,
        /// What needs it.
        needed_by: &'static str,
        /// The range.
        expected: &'static str,
    },
    /// A key that the chosen kind would ignore.
    #[error("`{key}` means nothing to {kind}: remove it")]
    Unused {
        /// The key, as in the file.
        key: &'static str,
        /// What does not know it.
        kind: &'static str,
    },
    /// A trace that could not be read as CSV.
    #[error("trace `{}` could not be read", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: csv::Error,
    },
    /// A trace without its column.
    #[error("trace `{}` has no column `arrival_s`: found `{found}` in its first line", path.display())]
    TraceColumn {
        /// The file.
        path: PathBuf,
        /// Its first line.
        found: String,
    },
    /// A trace without arrivals.
    #[error("trace `{}` has no lines after its header: expected at least one arrival", path.display())]
    TraceEmpty {
        /// The file.
        path: PathBuf,
    },
    /// A value of a trace that is no arrival time.
    #[error("trace `{}`, line {line}: `arrival_s` is `{found}`: expected {expected}", path.display())]
    TraceTime {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What stands there.
        found: String,
        /// What may stand there.
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
    /// A trace shorter than the simulation.
    #[error("`requests` is {requests}, but the trace has {found} arrivals: lower `requests`")]
    TraceTooShort {
        /// Requests asked for.
        requests: usize,
        /// Arrivals in the trace.
        found: usize,
    },
}

/// `value` if it is a finite number above zero.
pub(crate) fn positive(
    key: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<f64, ConfigError> {
    within(key, value, value.is_finite() && value > 0.0, expected)
}

/// `value` if it is a finite number, zero or above.
pub(crate) fn non_negative(
    key: &'static str,
    value: f64,
    expected: &'static str,
) -> Result<f64, ConfigError> {
    within(key, value, value.is_finite() && value >= 0.0, expected)
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
