//! The names and units of a finding's figures, which `results.json` keeps in one key.

use record::Evidence;

use super::number::{grouped, p_value, significant, with_interval};

/// Words that are spelled otherwise than in a key.
const SPELLED: [(&str, &str); 12] = [
    ("eta sq", "η²"),
    ("fashion mnist", "Fashion-MNIST"),
    ("cifar 10", "CIFAR-10"),
    ("mnist", "MNIST"),
    ("relu", "ReLU"),
    ("alexnet", "AlexNet"),
    ("shufflenet", "ShuffleNetV2"),
    ("resnet101", "ResNet-101"),
    ("rq1", "RQ1"),
    ("gp", "GP"),
    ("ci", "CI"),
    ("multiply adds", "multiply-adds"),
];

/// How a unit at the end or in the middle of a key is shown: factor and symbol.
fn unit(word: &str) -> Option<(f64, &'static str)> {
    Some(match word {
        "share" => (100.0, "\u{202f}%"),
        "percent" => (1.0, "\u{202f}%"),
        "points" => (1.0, " points"),
        "j" => (1.0, "\u{a0}J"),
        "w" => (1.0, "\u{a0}W"),
        "s" => (1.0, "\u{a0}s"),
        _ => return None,
    })
}

/// Name and value of a figure of ours, with three digits.
pub(crate) fn measured(key: &str, value: Option<f64>) -> (String, String) {
    figure(key, value, 3)
}

/// Name and value of a published figure, with as many digits as were published, three at most.
pub(crate) fn published(key: &str, value: f64) -> (String, String) {
    figure(key, Some(value), digits_of(value))
}

/// Digits of a value as it is written, three at most: 0.0055 was not published as 0.00550.
fn digits_of(value: f64) -> usize {
    (1..3).find(|it| format!("{value:.*e}", it - 1) == format!("{value:e}")).unwrap_or(3)
}

/// Name and value of a figure: `saving_share_cifar_10` and 0.399 are `saving, CIFAR-10` and `39.9 %`.
fn figure(key: &str, value: Option<f64>, digits: usize) -> (String, String) {
    let words: Vec<&str> = key.split('_').filter(|it| !it.is_empty()).collect();
    let of_unit = words.iter().rposition(|it| unit(it).is_some());
    let (factor, symbol) = of_unit.and_then(|it| unit(words[it])).unwrap_or((1.0, ""));
    let spaced = |words: &[&str]| {
        let padded = format!(" {} ", words.join(" "));
        let spelled = SPELLED.iter().fold(padded, |name, (plain, spelled)| {
            name.replace(&format!(" {plain} "), &format!(" {spelled} "))
        });
        spelled.trim().to_owned()
    };
    let (before, after) = words.split_at(of_unit.unwrap_or(words.len()));
    let after = spaced(after.get(1..).unwrap_or_default());
    let mut name = spaced(before);
    if !after.is_empty() {
        name = if name.is_empty() { after } else { format!("{name}, {after}") };
    }
    let value = value.filter(|it| it.is_finite());
    if words.first() == Some(&"p") {
        return (name, value.map_or_else(|| "–".to_owned(), p_value));
    }
    (name, value.map_or_else(|| "–".to_owned(), |it| significant(it * factor, digits) + symbol))
}

/// Name and size of the effect with its interval; a share is shown in percent.
pub(crate) fn effect(evidence: &Evidence) -> Option<(String, String)> {
    let size = evidence.effect.filter(|it| it.is_finite())?;
    let (name, factor, symbol) = match evidence.effect_name.strip_suffix("(share)") {
        Some(name) => (name.trim_end(), 100.0, "\u{202f}%"),
        None => (evidence.effect_name.as_str(), 1.0, ""),
    };
    let interval = evidence.ci95.map(|ends| ends.map(|it| it * factor));
    Some((name.to_owned(), with_interval(size * factor, interval, 3) + symbol))
}

/// The test with its statistic, p-value and number of observations.
pub(crate) fn test_in_words(evidence: &Evidence) -> String {
    let mut words = evidence.test.clone();
    if let Some(statistic) = evidence.statistic.filter(|it| it.is_finite()) {
        words.push_str(&format!("; statistic {}", significant(statistic, 3)));
    }
    if let Some(p) = evidence.p.filter(|it| it.is_finite()) {
        let p = p_value(p);
        let relation = if p.starts_with(['<', '>']) { "" } else { "= " };
        words.push_str(&format!("; p {relation}{p}"));
    }
    format!("{words}; n = {}", grouped(i64::try_from(evidence.n).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_figures_gain_no_digits() {
        assert_eq!(published("eta_sq_linear", 0.0055).1, "0.0055");
        assert_eq!(published("saving_share", 0.4882).1, "48.8\u{202f}%");
        assert_eq!(published("accuracy_points", 6.0).1, "6 points");
    }

    #[test]
    fn keys_become_names_and_units() {
        let rows = [
            ("saving_share_cifar_10", 0.399, "saving, CIFAR-10", "39.9\u{202f}%"),
            ("accuracy_gain_points", 0.75, "accuracy gain", "0.750 points"),
            ("eta_sq_conv", 0.9898, "η² conv", "0.990"),
            ("energy_j", 857.0, "energy", "857\u{a0}J"),
            ("multiply_adds_over_alexnet", 0.056, "multiply-adds over AlexNet", "0.0560"),
            ("p_energy", 1e-34, "p energy", "< 0.001"),
            ("best_accuracy_bayesian", f64::NAN, "best accuracy bayesian", "–"),
        ];
        for (key, value, name, shown) in rows {
            assert_eq!(figure(key, Some(value), 3), (name.to_owned(), shown.to_owned()), "{key}");
        }
    }
}
