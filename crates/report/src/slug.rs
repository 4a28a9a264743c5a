//! Ids that are safe as anchors and as file names.

/// An id in lower case in which every character but letters, digits, `-` and `_` is a `-`.
pub(crate) fn slug(id: &str) -> String {
    let slug: String = id
        .chars()
        .map(|letter| match letter {
            'a'..='z' | '0'..='9' | '-' | '_' => letter,
            'A'..='Z' => letter.to_ascii_lowercase(),
            _ => '-',
        })
        .collect();
    if slug.is_empty() { "untitled".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_characters_become_hyphens() {
        assert_eq!(slug("RQ1 \"x/../y_2"), "rq1--x----y_2");
        assert_eq!(slug(""), "untitled");
    }
}
