//! What is known of the chips that hwmon shows: which part of the machine a sensor measures, what
//! contains it, and how far its gain is off.

use units::{Domain, Seconds};

/// What a sensor of a known chip measures. The first entry that matches counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The chip's name, in the notation of [`matches`].
    pub(super) chip: &'static str,
    /// The sensor's label, in the same notation; without a label it is `power1` and so on.
    pub(super) label: &'static str,
    pub(super) part: Part,
    pub(super) within: Within,
    /// Chips of one family measure the same machine together; of two families that see the same
    /// part, the one that the list names first counts.
    pub(super) family: &'static str,
    /// Half-width of the 95 % interval of the gain, as a share.
    pub(super) error: f64,
    /// Time between updates, and averaging time of `power*_average`, if the driver does not state
    /// them in files.
    pub(super) period: Seconds,
    /// Domains that it contains besides its own.
    pub(super) contains: &'static [Domain],
    /// The mean (`power*_average`) is no mean over a fixed time, so the present power is used.
    pub(super) present: bool,
}

/// The part of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// A part that overlaps others as its domain says.
    Of(Domain),
    /// What a power supply gives to the whole machine.
    Output,
    /// A part that lies beside all domains.
    Apart,
    /// Nobody knows.
    Unknown,
    /// No energy that anything takes, such as heat that a cooler carries away.
    Nothing,
}

/// The sensor that contains it, if that one exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Nothing,
    /// The sensor of the same chip with this label.
    Chip(&'static str),
    /// The sensor of the same family with this label.
    Family(&'static str),
    /// The sensor of the same family with one of these labels and the same number at the end.
    Numbered(&'static [&'static str]),
    /// The sensor of the same chip whose label is this one without its last word.
    Stem,
    /// The sensor of the whole machine of the same family.
    Machine,
    /// The sensor of the same device's chip of this name.
    Device(&'static str),
}

impl Entry {
    /// An entry for a sensor in nothing else.
    pub(super) const fn new(
        chip: &'static str,
        label: &'static str,
        part: Part,
        family: &'static str,
        error: f64,
    ) -> Self {
        let (within, period) = (Within::Nothing, Seconds(0.0));
        Self { chip, label, part, within, family, error, period, contains: &[], present: false }
    }

    pub(super) const fn within(self, within: Within) -> Self {
        Self { within, ..self }
    }

    pub(super) const fn containing(self, contains: &'static [Domain]) -> Self {
        Self { contains, ..self }
    }

    pub(super) const fn every(self, period: Seconds) -> Self {
        Self { period, ..self }
    }

    pub(super) const fn present(self) -> Self {
        Self { present: true, ..self }
    }
}

/// Whether a text is described by a pattern: `*` stands for any text, `-` and `_` are equal, and so
/// are upper and lower case.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    fn plain(text: &str) -> String {
        text.to_ascii_lowercase().replace('-', "_")
    }
    let (pattern, text) = (plain(pattern), plain(text));
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// The number at the end of a label: `Grace Power Socket 1` has 1.
pub(super) fn number(label: &str) -> Option<u32> {
    let digits = label.len() - label.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    label[label.len() - digits..].parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, expected) in [
            ("xe", "xe", true),
            ("xe", "xe1", false),
            ("dps*", "dps650ab", true),
            ("*_proc", "0_proc", true),
            ("*_proc", "0_process", false),
            ("Chip * Vdd", "Chip 0 Vdd", true),
            ("Chip * Vdd", "Chip 0", false),
            ("aps-379", "aps_379", true),
            ("power total", "Power Total", true),
            ("*", "", true),
            ("a*a", "a", false),
            ("", "x", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} and {text}");
        }
    }

    #[test]
    fn a_label_may_end_with_a_number() {
        assert_eq!(number("Grace Power Socket 12"), Some(12));
        assert_eq!((number("VDD_IN"), number(""), number("é")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_text_matches_itself_and_its_ends(text in "[a-z0-9 _-]{0,12}", cut in 0_usize..12) {
            prop_assert!(matches(&text, &text));
            let cut = cut.min(text.len());
            let pattern = format!("{}*{}", &text[..cut], &text[cut..]);
            prop_assert!(matches(&pattern, &text));
        }
    }
}
