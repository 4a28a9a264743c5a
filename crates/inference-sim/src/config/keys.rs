//! Keys that a kind needs, and keys that it does not use.

use crate::error::ConfigError;

pub(super) fn unused(
    key: &'static str,
    used: bool,
    given: bool,
    kind: &str,
) -> Result<(), ConfigError> {
    if given && !used { Err(ConfigError::Unused { key, kind: kind.to_owned() }) } else { Ok(()) }
}

pub(super) fn needed<T>(
    key: &'static str,
    value: Option<T>,
    needed_by: &str,
    expected: &'static str,
) -> Result<T, ConfigError> {
    value.ok_or_else(|| ConfigError::Missing { key, needed_by: needed_by.to_owned(), expected })
}
