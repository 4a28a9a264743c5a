//! What is said of a number outside its limit.

/// The longest part of a wrong text that an error repeats, in characters.
const QUOTED: usize = 40;

/// A number that is not within its limit: which, what was found, and what is expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {found}, expected {expected}")]
#[non_exhaustive]
pub struct OutOfRange {
    /// What the number is: a kind of number, or a key in backquotes.
    pub what: String,
    /// The number, or the text where a number should be.
    pub found: String,
    /// The range with its unit.
    pub expected: String,
}

impl OutOfRange {
    pub(super) fn new(what: &str, found: String, expected: String) -> Self {
        Self { what: what.to_owned(), found, expected }
    }

    /// The same error, naming the key of a file (or the flag) in place of the kind of number.
    #[must_use]
    pub fn of_key(self, key: &str) -> Self {
        Self { what: format!("`{key}`"), ..self }
    }
}

/// A text in backquotes: its beginning, without control characters.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(QUOTED).flat_map(char::escape_debug).collect();
    if text.chars().nth(QUOTED).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A number as a person writes it: `0.25`, `86400`, `1e12`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 || !size.is_finite() || (1e-4..1e7).contains(&size) {
        value.to_string()
    } else {
        format!("{value:e}")
    }
}
