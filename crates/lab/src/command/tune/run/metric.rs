//! Metrics in a line of a command's output.

use super::number::{Read, number};

/// A number, or something that should be one, behind a metric's name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    /// The word before the name if it says of what the metric is: `val`, `best`, `final`; else empty.
    pub(super) kind: String,
    /// The number; `None` if what stands there cannot be read with certainty, such as `1,234`.
    pub(super) value: Option<f64>,
    /// What stands there.
    pub(super) text: String,
}

/// Words that make another metric out of one: `val loss` is not `loss`.
const KINDS: [&str; 25] = [
    "train",
    "training",
    "val",
    "valid",
    "validation",
    "test",
    "testing",
    "eval",
    "evaluation",
    "dev",
    "best",
    "final",
    "last",
    "total",
    "average",
    "avg",
    "mean",
    "median",
    "running",
    "smoothed",
    "min",
    "max",
    "minimum",
    "maximum",
    "overall",
];

/// The last reading of a metric of each kind in a line: `accuracy: 0.9`, `accuracy = 0.9`,
/// `{"accuracy": 0.9}`, or `accuracy 90 %`, which is 90. `NaN` and infinities are numbers.
pub(super) fn in_line(line: &str, name: &str) -> Vec<Reading> {
    let part_of_word = |character: char| {
        character.is_alphanumeric() || matches!(character, '_' | '.' | '-' | '/' | '\\' | '@')
    };
    let mut found: Vec<Reading> = Vec::new();
    for (at, _) in line.match_indices(name) {
        let (before, after) = (&line[..at], &line[at + name.len()..]);
        if before.chars().next_back().is_some_and(part_of_word) {
            continue;
        }
        let rest = after.trim_start_matches(['"', '\'', ' ', '\t', ':', '=', '|']);
        // A separator is required between the name and its number.
        if rest.len() == after.len() {
            continue;
        }
        let (value, text) = match number(rest) {
            Read::Number(value, text) => (Some(value), text),
            Read::Unclear(text) => (None, text),
            Read::Nothing => continue,
        };
        let kind = kind(before);
        found.retain(|other| other.kind != kind);
        found.push(Reading { kind, value, text: text.to_owned() });
    }
    found
}

/// The word before a metric's name, if it is one of [`KINDS`].
fn kind(before: &str) -> String {
    let before = before.trim_end_matches([' ', '\t']);
    let start = before.rfind(|character: char| !character.is_ascii_alphabetic());
    let word = before[start.map_or(0, |at| at + 1)..].to_ascii_lowercase();
    // Not the last part of another word.
    if KINDS.contains(&word.as_str())
        && start.is_none_or(|at| !before.as_bytes()[at].is_ascii_digit())
    {
        word
    } else {
        String::new()
    }
}

/// The number of the epoch that a line names: `epoch 3`, `Epoch: 3/10`, `'epoch': 3.0`, `[epoch 3]`.
pub(super) fn epoch(line: &str) -> Option<u32> {
    let lower = line.to_ascii_lowercase();
    let found = lower.match_indices("epoch").filter_map(|(at, word)| {
        let before = lower[..at].chars().next_back();
        if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
            return None;
        }
        let rest = lower[at + word.len()..]
            .trim_start_matches(['"', '\'', ' ', '\t', ':', '=', '#', '[', '(']);
        let digits =
            rest.len() - rest.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
        let (digits, after) = rest.split_at(digits);
        // `0.25` is a part of an epoch.
        let fraction = after.strip_prefix('.').unwrap_or_default();
        let fraction = fraction.split(|digit: char| !digit.is_ascii_digit()).next();
        let is_whole = fraction.unwrap_or_default().chars().all(|digit| digit == '0');
        digits.parse().ok().filter(|_| is_whole)
    });
    found.last()
}

#[cfg(test)]
mod tests {
    use super::{epoch, in_line};

    /// The value that a line gives; `None` if it gives no value or one that cannot be read. Fails if it gives several.
    fn value(line: &str, name: &str) -> Option<f64> {
        let found = in_line(line, name);
        assert!(found.len() <= 1, "{found:?}");
        found.first().and_then(|reading| reading.value)
    }

    #[test]
    fn the_number_after_a_name_is_found() {
        for (line, expected) in [
            ("accuracy: 0.91", Some(0.91)),
            ("epoch 3 loss=0.2 accuracy=9.1e-1, done", Some(0.91)),
            (r#"{"loss": 0.2, "accuracy": 0.91}"#, Some(0.91)),
            ("accuracy 0.5 -> accuracy 0.91.", Some(0.91)),
            ("| accuracy | 0.91 |", Some(0.91)),
            ("accuracy: 91 %", Some(91.0)),
            ("val_accuracy: 0.2", None),
            ("val/accuracy: 0.2", None),
            ("accuracy_top5: 0.2", None),
            ("accuracy@5: 0.2", None),
            ("accuracy: good", None),
            ("accuracy0.3", None),
            ("", None),
        ] {
            assert_eq!(value(line, "accuracy"), expected, "{line}");
        }
        assert!(value("loss: nan", "loss").is_some_and(f64::is_nan));
        assert_eq!(value("loss: -inf", "loss"), Some(f64::NEG_INFINITY));
        assert_eq!(value("val/loss: 0.5 train/loss: 0.1", "val/loss"), Some(0.5));
    }

    #[test]
    fn a_word_before_the_name_makes_another_kind() {
        let found = in_line("train loss: 0.1, val loss: 0.2 loss: 0.3", "loss");
        let found: Vec<(&str, Option<f64>)> =
            found.iter().map(|reading| (reading.kind.as_str(), reading.value)).collect();
        assert_eq!(found, [("train", Some(0.1)), ("val", Some(0.2)), ("", Some(0.3))]);
        assert_eq!(in_line("INFO:root:val loss: 0.2", "loss")[0].kind, "val");
        assert_eq!(in_line("val loss: 0.2", "val loss")[0].kind, "");
    }

    #[test]
    fn epochs_are_found_as_trainers_print_them() {
        for (line, expected) in [
            ("Epoch 3/10", Some(3)),
            ("epoch: 12, loss: 0.1", Some(12)),
            ("{'loss': 0.1, 'epoch': 2.0}", Some(2)),
            ("{'loss': 0.1, 'epoch': 2.5}", None),
            ("[Epoch 7] loss 0.1", Some(7)),
            ("epoch=0 loss=1", Some(0)),
            ("10 epochs", None),
            ("n_epoch 5", None),
            ("epoch 99999999999", None),
        ] {
            assert_eq!(epoch(line), expected, "{line}");
        }
    }
}
