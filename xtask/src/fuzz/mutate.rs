//! Damaged and extreme versions of a sample.

/// Values that a number, and often a text, can be replaced by.
pub(super) const EXTREMES: [&str; 20] = [
    "0",
    "-1",
    "1",
    "1e308",
    "-1e308",
    "1e-308",
    "5e-324",
    "1e400",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "0.1",
    "nan",
    "inf",
    "\"\"",
    "[]",
    "true",
];

/// Whole numbers that a binary format can hold in place of a length, a count or an offset.
const BINARY: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0xffff_ffff_ffff_ffff,
];

/// Bytes that mean something in one of the formats.
const SIGNS: &[u8] = b"{}[]\"',:\n\0\xff-9e.=#";

/// A small generator (xorshift64*, Vigna 2016), so that a seed gives the same inputs everywhere.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `count`, which must not be 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() >> 33) as usize % count
    }

    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

/// The places of numbers in a text: of `1.5e-3`, not of the `2` in `conv2d`.
fn numbers(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_part =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        if !is_part(text[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < text.len() && is_part(text[at]) {
            at += 1;
        }
        let word = std::str::from_utf8(&text[start..at]).unwrap_or_default().replace('_', "");
        if word.parse::<f64>().is_ok() && !word.eq_ignore_ascii_case("nan") {
            found.push(start..at);
        }
    }
    found
}

/// The places between two quotation marks.
fn texts(text: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    for (at, byte) in text.iter().enumerate() {
        match (byte, start) {
            (b'"', None) => start = Some(at + 1),
            (b'"', Some(from)) => {
                found.push(from..at);
                start = None;
            }
            (b'\n', _) => start = None,
            _ => {}
        }
    }
    found
}

fn replaced(sample: &[u8], place: std::ops::Range<usize>, by: &[u8]) -> Vec<u8> {
    [&sample[..place.start], by, &sample[place.end..]].concat()
}

/// What a text is replaced by, without quotation marks.
pub(super) fn extreme_texts() -> Vec<String> {
    let long = "x".repeat(100_000);
    ["", "../../../x", "/dev/zero", "\u{1b}[31m", "a\\nb", "=1+1", &long]
        .map(str::to_owned)
        .to_vec()
}

/// The sample with each number replaced by each extreme value, each text by others, and each line left out or doubled.
/// Samples that are not texts have none.
pub(super) fn extremes(sample: &[u8]) -> Vec<Vec<u8>> {
    if std::str::from_utf8(sample).is_err() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for place in numbers(sample) {
        found
            .extend(EXTREMES.iter().map(|value| replaced(sample, place.clone(), value.as_bytes())));
    }
    let others = extreme_texts();
    for place in texts(sample) {
        found.extend(others.iter().map(|value| replaced(sample, place.clone(), value.as_bytes())));
    }
    let lines: Vec<&[u8]> = sample.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        found.push([&lines[..at], &lines[at + 1..]].concat().concat());
        found.push([&lines[..=at], &lines[at..]].concat().concat());
    }
    found
}

/// The sample with one to four random damages.
pub(super) fn mutated(sample: &[u8], random: &mut Random) -> Vec<u8> {
    let mut input = sample.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len().max(1));
        match random.below(10) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = random.below(256) as u8,
            2 => input.truncate(at),
            3 => input.insert(at.min(input.len()), SIGNS[random.below(SIGNS.len())]),
            4 => {
                let end = (at + 1 + random.below(64)).min(input.len());
                input.drain(at.min(end)..end);
            }
            5 => {
                let end = (at + 1 + random.below(64)).min(input.len());
                let part = input[at.min(end)..end].to_vec();
                let copies = 1 + random.below(50);
                let part = part.repeat(copies);
                input.splice(at.min(end)..at.min(end), part);
            }
            6 => {
                let places = numbers(&input);
                if !places.is_empty() {
                    let place = places[random.below(places.len())].clone();
                    input =
                        replaced(&input, place, EXTREMES[random.below(EXTREMES.len())].as_bytes());
                }
            }
            7 | 8 => {
                // As a part of a binary format: a number of 1, 2, 4 or 8 bytes, with either end first.
                let width = (1 << random.below(4)).min(input.len() - at.min(input.len()));
                let value = BINARY[random.below(BINARY.len())];
                let bytes = value.to_le_bytes();
                let big = random.below(2) == 0;
                for (index, to) in input[at.min(at + width)..at + width].iter_mut().enumerate() {
                    *to = bytes[if big { width - 1 - index } else { index }];
                }
            }
            _ => {
                let depth = 1 << random.below(17);
                let nested = [b"[", b"{"][random.below(2)].repeat(depth);
                input.splice(at.min(input.len())..at.min(input.len()), nested);
            }
        }
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_text_is_found() {
        let text = b"a = 1_000\nconv2d = [-1.5e-3, \"x\"]\n";
        let found: Vec<&[u8]> = numbers(text).into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, [&b"1_000"[..], b"-1.5e-3"]);
        assert_eq!(texts(text).len(), 1);
        assert_eq!(extremes(text).len(), 2 * EXTREMES.len() + 7 + 4);
    }

    #[test]
    fn a_seed_gives_the_same_inputs() {
        let inputs = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| mutated(b"rate = 4.0\n", &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(1), inputs(1));
        assert_ne!(inputs(1), inputs(2));
    }
}
