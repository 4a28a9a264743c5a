//! Texts of others, made safe to print.

/// A text without characters that a terminal would obey, such as those that begin a color.
pub(crate) fn without_control(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' | '\t' => letter,
            letter if letter.is_control() => '?',
            letter => letter,
        })
        .collect()
}
