//! A policy as a description gives it: its name and the values of its keys.

use std::{fmt, path::Path};

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    key::{PolicyKey, SIZE, Value},
    kind::PolicyKind,
};
use crate::error::ConfigError;

/// When a batch is served: the table `batching` of a description, such as
/// `{ policy = "window", size = 16, delay_s = 0.1 }`.
///
/// Each policy has a constructor here, such as [`BatchingConfig::window`]. Values are checked when
/// the policy is made, by [`BatchingConfig::policy`] or by the simulation.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchingConfig {
    pub(super) kind: PolicyKind,
    /// In the order of the description.
    pub(super) values: Vec<(PolicyKey, Value)>,
}

impl BatchingConfig {
    pub(super) fn of(kind: PolicyKind) -> Self {
        Self { kind, values: Vec::new() }
    }

    /// The same with a value, in place of another of that key.
    pub(super) fn with(mut self, key: PolicyKey, value: Value) -> Self {
        self.values.retain(|(other, _)| other.path != key.path);
        self.values.push((key, value));
        self
    }

    /// The kind of policy.
    #[must_use]
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    /// The most requests in a batch, as the description gives it; `None` if it does not.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.optional_count(SIZE)
    }

    /// Checks that the policy uses all keys.
    pub(super) fn check_keys(&self) -> Result<(), ConfigError> {
        let keys = self.kind.keys();
        let used = |key: &PolicyKey| keys.iter().any(|other| other.path == key.path);
        match self.values.iter().find(|(key, _)| !used(key)) {
            Some((key, _)) => Err(ConfigError::Unused { key: key.path, kind: self.kind.label() }),
            None => Ok(()),
        }
    }

    /// The same with files relative to a folder, such as that of the description.
    #[must_use]
    pub fn relative_to(mut self, folder: &Path) -> Self {
        for (_, value) in &mut self.values {
            if let Value::File(path) = value {
                *path = folder.join(&*path);
            }
        }
        self
    }

    fn value(&self, key: PolicyKey) -> Option<&Value> {
        self.values.iter().find(|(other, _)| other.path == key.path).map(|(_, value)| value)
    }

    fn missing(&self, key: PolicyKey) -> ConfigError {
        ConfigError::Missing {
            key: key.path,
            needed_by: self.kind.label(),
            expected: key.expected(),
        }
    }

    pub(super) fn optional_count(&self, key: PolicyKey) -> Option<usize> {
        match self.value(key) {
            Some(&Value::Count(count)) => Some(count),
            _ => None,
        }
    }

    pub(super) fn optional_number(&self, key: PolicyKey) -> Option<f64> {
        match self.value(key) {
            Some(&Value::Number(number)) => Some(number),
            _ => None,
        }
    }

    pub(super) fn count(&self, key: PolicyKey) -> Result<usize, ConfigError> {
        self.optional_count(key).ok_or_else(|| self.missing(key))
    }

    pub(super) fn number(&self, key: PolicyKey) -> Result<f64, ConfigError> {
        self.optional_number(key).ok_or_else(|| self.missing(key))
    }

    /// Empty if left out.
    pub(super) fn counts(&self, key: PolicyKey) -> &[usize] {
        match self.value(key) {
            Some(Value::Counts(counts)) => counts,
            _ => &[],
        }
    }

    pub(super) fn file(&self, key: PolicyKey) -> Result<&Path, ConfigError> {
        match self.value(key) {
            Some(Value::File(path)) => Ok(path),
            _ => Err(self.missing(key)),
        }
    }
}

/// A short title, such as `window 16, 0.1000 s`.
impl fmt::Display for BatchingConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.name())?;
        if let Some(size) = self.size() {
            write!(formatter, " {size}")?;
        }
        for (key, value) in &self.values {
            match value {
                _ if key.path == SIZE.path => {}
                Value::Number(number) if key.name().ends_with("_s") => {
                    write!(formatter, ", {number:.4} s")?;
                }
                Value::Number(number) => write!(formatter, ", {} {number}", key.name())?,
                Value::Count(count) => write!(formatter, ", {} {count}", key.name())?,
                Value::Counts(counts) => write!(formatter, ", {} {counts:?}", key.name())?,
                Value::File(path) => write!(formatter, " {}", path.display())?,
            }
        }
        Ok(())
    }
}

impl Serialize for BatchingConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.values.len()))?;
        map.serialize_entry("policy", self.kind.name())?;
        for (key, value) in &self.values {
            match value {
                Value::Count(count) => map.serialize_entry(key.name(), count)?,
                Value::Number(number) => map.serialize_entry(key.name(), number)?,
                Value::Counts(counts) => map.serialize_entry(key.name(), counts)?,
                Value::File(path) => map.serialize_entry(key.name(), path)?,
            }
        }
        map.end()
    }
}
