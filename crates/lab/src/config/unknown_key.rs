//! Suggestions for misspelled names and keys.

pub(crate) use tuner::unknown_key::{nearest, suggestion};
