//! Suggestions for misspelled names and keys.

/// The name that is most similar to a misspelled one; `None` if none is similar.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(2))
        .map(|(_, name)| name.to_owned())
}

/// The valid key or variant that is most similar to an unknown one, from serde's message: "unknown
/// field `a`, expected one of `b`, `c`". `None` for other messages.
pub(crate) fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    nearest(given, quoted)
}
