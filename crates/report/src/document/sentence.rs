//! Words as a sentence.

/// The text with a capital letter at its start and a period at its end; an empty text stays empty.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    first.to_uppercase().chain(letters).chain(end.chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_begins_with_a_capital_letter_and_ends_with_a_period() {
        assert_eq!(sentence("the mean gains 2 %"), "The mean gains 2 %.");
        assert_eq!(sentence("ΔE is above 0. "), "ΔE is above 0.");
        assert_eq!(sentence(""), "");
    }
}
