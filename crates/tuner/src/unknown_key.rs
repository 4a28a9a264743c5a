//! Suggestions for misspelled names.

/// The name that is nearest to a misspelled one, if any is near: at most half of its characters differ.
pub fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(2))
        .map(|(_, name)| name.to_owned())
}

/// The valid key that is nearest to the one in serde's message about an unknown key, such as
/// "unknown field `a`, expected one of `b`, `c`", or the same about a variant.
#[must_use]
pub fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    nearest(given, quoted)
}
