//! Keys that a kind needs, and those it would ignore.

use crate::error::ConfigError;

pub(super) fn unused(
    key: &'static str,
    known: bool,
    given: bool,
    kind: &'static str,
) -> Result<(), ConfigError> {
    if given && !known { Err(ConfigError::Unused { key, kind }) } else { Ok(()) }
}

pub(super) fn needed<T>(
    key: &'static str,
    value: Option<T>,
    needed_by: &'static str,
    expected: &'static str,
) -> Result<T, ConfigError> {
    value.ok_or(ConfigError::Missing { key, needed_by, expected })
}
