//! Reads a number whole or not at all.

/// What stands at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Read<'a> {
    /// A number, and its text.
    Number(f64, &'a str),
    /// Something that begins as a number does and cannot be read with certainty.
    Unclear(&'a str),
    /// No number.
    Nothing,
}

/// Wrappers around one number that Python's libraries print.
const WRAPPERS: [&str; 8] = [
    "tensor(",
    "array(",
    "np.float64(",
    "np.float32(",
    "np.float16(",
    "numpy.float64(",
    "numpy.float32(",
    "Array(",
];

/// The number at the beginning of a text. `1,234.5`, `0,25`, `1_000`, `1 234`, `0x10`, `3/10`, `12:30`
/// and `5ms` could mean several things, so they are unclear.
pub(super) fn number(text: &str) -> Read<'_> {
    let wrapper = WRAPPERS.iter().find_map(|wrapper| text.strip_prefix(wrapper));
    let text = wrapper.unwrap_or(text);
    let unsigned = text.strip_prefix(['+', '-', '\u{2212}']).unwrap_or(text);
    let sign = &text[..text.len() - unsigned.len()];
    let end = length(unsigned);
    if end == 0 {
        return Read::Nothing;
    }
    let (digits, after) = unsigned.split_at(end);
    let whole = &text[..sign.len() + end];
    let is_ended = is_end(after) && !is_group(digits, after);
    let value = digits.parse::<f64>().ok().filter(|_| is_ended);
    let shown = || &text[..text.find(char::is_whitespace).unwrap_or(text.len())];
    match value {
        // `1e999` is no infinity.
        Some(value)
            if value.is_infinite()
                && digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') =>
        {
            Read::Unclear(shown())
        }
        Some(value) => {
            Read::Number(if matches!(sign, "-" | "\u{2212}") { -value } else { value }, whole)
        }
        None if digits.starts_with(|first: char| first.is_ascii_digit() || first == '.') => {
            Read::Unclear(shown())
        }
        None => Read::Nothing,
    }
}

/// The length, in bytes, of the number without a sign with which a text begins; 0 if it does not begin with one.
fn length(text: &str) -> usize {
    let letters = text.find(|next: char| !next.is_ascii_alphabetic()).unwrap_or(text.len());
    if ["nan", "inf", "infinity"].iter().any(|word| text[..letters].eq_ignore_ascii_case(word)) {
        return letters;
    }
    let digits = |from: usize| {
        let rest = &text[from..];
        rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len())
    };
    let whole = digits(0);
    let mut end = whole;
    let mut some = whole > 0;
    if text[end..].starts_with('.') {
        let fraction = digits(end + 1);
        // A point at the end of a sentence does not belong to the number.
        let is_sentence = text[end + 1..].chars().next().is_none_or(char::is_whitespace);
        if fraction > 0 || (some && !is_sentence) {
            end += 1 + fraction;
            some |= fraction > 0;
        }
    }
    if !some {
        return 0;
    }
    if let Some(after) = text[end..].strip_prefix(['e', 'E']) {
        let signed = after.strip_prefix(['+', '-']).unwrap_or(after);
        let from = text.len() - signed.len();
        if digits(from) > 0 {
            end = from + digits(from);
        }
    }
    end
}

/// Whether a number can end before this text.
fn is_end(after: &str) -> bool {
    let mut rest = after.chars();
    let (first, second) = (rest.next(), rest.next());
    let is_digit = |next: Option<char>| next.is_some_and(|next| next.is_numeric());
    match first {
        None => true,
        Some(',' | '\'' | '\u{2019}') => !is_digit(second),
        // The narrow and the fixed space group digits in many languages.
        Some('\u{a0}' | '\u{202f}' | '\u{2009}') => !is_digit(second),
        Some('.') => second.is_none_or(char::is_whitespace),
        Some('-') => second == Some('>') || second.is_none_or(char::is_whitespace),
        Some(';' | ')' | '(' | ']' | '[' | '}' | '"' | '|' | '%' | '±' | '\u{1b}') => true,
        Some(other) => other.is_whitespace(),
    }
}

/// Whether a space after up to three digits is followed by exactly three more, as in `1 234`.
fn is_group(digits: &str, after: &str) -> bool {
    let Some(rest) = after.strip_prefix(' ') else { return false };
    let next = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
    let ends = rest[next..].chars().next().is_none_or(|next| !next.is_alphanumeric());
    digits.len() <= 3 && digits.bytes().all(|digit| digit.is_ascii_digit()) && next == 3 && ends
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Read, number};

    #[test]
    fn a_number_is_read_whole_or_not_at_all() {
        for (text, expected) in [
            ("0.5", 0.5),
            ("-.5", -0.5),
            ("+1e3,", 1000.0),
            ("1. ", 1.0),
            ("0.91.", 0.91),
            ("5.0e-01 ± 0.1", 0.5),
            ("0.31 (best: 0.29)", 0.31),
            ("0.31(0.29)", 0.31),
            ("tensor(0.2500)", 0.25),
            ("np.float64(0.25)", 0.25),
            ("tensor(0.25, device='cuda:0')", 0.25),
            ("0.3]", 0.3),
            ("0.3}", 0.3),
            ("90%", 90.0),
            ("\u{2212}2", -2.0),
            ("0.2 - val_loss: 1", 0.2),
            ("0.5\u{1b}[0m", 0.5),
            ("1.e3", 1000.0),
        ] {
            let Read::Number(value, _) = number(text) else { panic!("{text}") };
            assert!((value - expected).abs() < 1e-12, "{text}: {value}");
        }
        for text in [
            "1,234.5",
            "0,25",
            "1_000",
            "0x10",
            "12e",
            "1.2.3",
            "3/10",
            "12:30",
            "5ms",
            "1'234",
            "1\u{a0}234",
            "1 234",
            "1 234.5",
            "1e5x",
            "2k",
            "1-2",
            "1e999",
            "5e+",
            "1..2",
        ] {
            assert!(matches!(number(text), Read::Unclear(_)), "{text}: {:?}", number(text));
        }
        for text in
            ["", "good", "-", ".", "[0.1, 0.2]", "nano", "tensor([0.1])", "........ 0.7", "e5"]
        {
            assert_eq!(number(text), Read::Nothing, "{text}");
        }
    }

    proptest! {
        /// However a float is printed, it is read as itself, or not.
        #[test]
        fn a_printed_float_is_read_as_itself(value in any::<f64>(), after in "[ ,;)a-z0-9._'/]{0,4}") {
            let printed = format!("{value:?}");
            let Read::Number(read, _) = number(&printed) else { panic!("{printed}") };
            prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
            // With anything behind it, a number that is read is made of all digits that are there.
            let text = format!("{printed}{after}");
            if let Read::Number(_, whole) = number(&text) {
                let rest = text.trim_start_matches(['-', '+', '\u{2212}']);
                prop_assert!(rest.starts_with(whole.trim_start_matches(['-', '+'])));
                let next = text[whole.len()..].chars().next();
                prop_assert!(next.is_none_or(|next| !next.is_alphanumeric()), "{}", text);
            }
        }
    }
}
