//! Metrics in the output of a command.

/// The number after a name in a line: `accuracy: 0.9`, `accuracy = 0.9`, `{"accuracy": 0.9}`, or
/// `accuracy 90 %`, which is 90. The last one in the line counts. `NaN` and infinities are numbers.
pub(super) fn in_line(line: &str, name: &str) -> Option<f64> {
    let part_of_word =
        |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '-');
    let mut found = None;
    for (at, _) in line.match_indices(name) {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        if before.chars().next_back().is_some_and(part_of_word) {
            continue;
        }
        let rest = after.trim_start_matches(['"', '\'', ' ', '\t', ':', '=']);
        // A separator is required between the name and its number.
        if rest.len() == after.len() {
            continue;
        }
        let end = rest
            .find(|character: char| {
                !(character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.'))
            })
            .unwrap_or(rest.len());
        let number = rest[..end].trim_end_matches('.');
        if let Ok(number) = number.parse() {
            found = Some(number);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::in_line;

    #[test]
    fn the_number_after_a_name_is_found() {
        for (line, expected) in [
            ("accuracy: 0.91", Some(0.91)),
            ("epoch 3 loss=0.2 accuracy=9.1e-1, done", Some(0.91)),
            (r#"{"loss": 0.2, "accuracy": 0.91}"#, Some(0.91)),
            ("accuracy 0.5 -> accuracy 0.91.", Some(0.91)),
            ("val_accuracy: 0.2", None),
            ("accuracy_top5: 0.2", None),
            ("accuracy: good", None),
            ("accuracy0.3", None),
            ("", None),
        ] {
            assert_eq!(in_line(line, "accuracy"), expected, "{line}");
        }
        assert!(in_line("loss: nan", "loss").is_some_and(f64::is_nan));
        assert_eq!(in_line("loss: -inf", "loss"), Some(f64::NEG_INFINITY));
    }
}
