//! What somebody probably meant.

/// The nearest of some names, if one is near at all.
pub(crate) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    names
        .map(|name| (strsim::damerau_levenshtein(given, name), name))
        .min()
        .filter(|(distance, name)| *distance <= name.chars().count().div_ceil(2))
        .map(|(_, name)| name.to_owned())
}

/// The nearest valid key, from serde's message about an unknown one:
/// "unknown field `a`, expected one of `b`, `c`" (the same for variants).
pub(crate) fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown ") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let given = quoted.next()?;
    nearest(given, quoted)
}
