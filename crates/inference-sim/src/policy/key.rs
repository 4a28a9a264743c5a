//! The keys of policies in a description, and their values.

use std::path::PathBuf;

use units::limits;

use crate::error::{ConfigError, limited_count};

/// A key of `[batching]`, which one or several kinds of policy use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyKey {
    /// As in messages, such as `batching.size`.
    pub(super) path: &'static str,
    pub(super) value: ValueKind,
    /// Its range and unit, in words.
    expected: &'static str,
    optional: bool,
}

/// The type of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueKind {
    Count,
    Number,
    Counts,
    File,
}

impl PolicyKey {
    /// A whole number.
    pub(super) const fn count(path: &'static str, expected: &'static str) -> Self {
        Self { path, value: ValueKind::Count, expected, optional: false }
    }

    /// A number with a fraction.
    pub(super) const fn number(path: &'static str, expected: &'static str) -> Self {
        Self { path, value: ValueKind::Number, expected, optional: false }
    }

    /// A list of whole numbers.
    pub(super) const fn counts(path: &'static str, expected: &'static str) -> Self {
        Self { path, value: ValueKind::Counts, expected, optional: false }
    }

    /// The path of a file.
    pub(super) const fn file(path: &'static str, expected: &'static str) -> Self {
        Self { path, value: ValueKind::File, expected, optional: false }
    }

    /// The same, but a description may leave it out.
    pub(super) const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Its name in the description, such as `size`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    /// Its range and unit, in words.
    #[must_use]
    pub fn expected(&self) -> &'static str {
        self.expected
    }

    /// Whether a description may leave it out.
    #[must_use]
    pub fn is_optional(&self) -> bool {
        self.optional
    }
}

/// The key that nearly all policies have.
pub(super) const SIZE: PolicyKey =
    PolicyKey::count("batching.size", "a number of requests, at least 1");

/// The longest wait for a batch to be filled.
pub(super) const DELAY: PolicyKey = PolicyKey::number(
    "batching.delay_s",
    "a number of seconds from 1e-9, the clock's tick, to 1e9 (for no delay take `policy = \"greedy\"`)",
);

/// A size from 1 to the limit.
pub(super) fn checked_size(size: usize) -> Result<usize, ConfigError> {
    limited_count(SIZE.path, size, limits::BATCH)
}

/// The value of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Count(usize),
    Number(f64),
    Counts(Vec<usize>),
    File(PathBuf),
}
