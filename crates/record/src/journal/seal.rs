//! The seal of a line: the length and the checksum of its JSON object, stored as the last member.
//!
//! `{…}` becomes `{…,"seal":"1234-89abcdef"}`, where 1234 is the number of bytes before `,"seal"` and
//! 89abcdef their CRC-32 (the one of Ethernet and zip). The line remains a JSON object that any program
//! can read.

const KEY: &[u8] = b",\"seal\":\"";
/// The longest seal: key, 20 digits of length, hyphen, checksum, `"}`.
const LONGEST: usize = KEY.len() + 20 + 1 + 8 + 2;

/// The result of checking a line against its seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal<'a> {
    /// The line is as it was written. Holds its object without the seal and the closing brace.
    Whole(&'a [u8]),
    /// The line has no seal; earlier versions of wattlab wrote such lines.
    Absent,
    /// The line was changed after it was sealed.
    Broken,
}

/// Adds the seal to the bytes of a JSON object that has at least one member.
pub(super) fn seal(object: &mut Vec<u8>) {
    object.pop();
    let text = text_of(object);
    object.extend_from_slice(KEY);
    object.extend_from_slice(text.as_bytes());
    object.extend_from_slice(b"\"}");
}

/// Checks a line, given without its line feed.
pub(super) fn check(line: &[u8]) -> Seal<'_> {
    let from = line.len().saturating_sub(LONGEST);
    let found = line[from..].windows(KEY.len()).rposition(|bytes| bytes == KEY);
    let Some(at) = found.map(|offset| from + offset) else { return Seal::Absent };
    let (body, tail) = line.split_at(at);
    let said = tail[KEY.len()..].strip_suffix(b"\"}");
    if said == Some(text_of(body).as_bytes()) { Seal::Whole(body) } else { Seal::Broken }
}

fn text_of(body: &[u8]) -> String {
    format!("{}-{:08x}", body.len(), crc32fast::hash(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_line_is_its_object_with_one_more_member() {
        let mut line = br#"{"a":1}"#.to_vec();
        seal(&mut line);
        // CRC-32 of `{"a":1`, as computed by Python's zlib.crc32.
        assert_eq!(line, br#"{"a":1,"seal":"6-a702fc6e"}"#);
        assert_eq!(check(&line), Seal::Whole(br#"{"a":1"#));
        assert_eq!(check(br#"{"a":1}"#), Seal::Absent);
        assert_eq!(check(br#"{"a":2,"seal":"6-a702fc6e"}"#), Seal::Broken);
        assert_eq!(check(br#"{"a":1,"seal":"06-a702fc6e"}"#), Seal::Broken);
        assert_eq!(check(br#"{"a":1,"seal":"6-A702FC6E"}"#), Seal::Broken);
        assert_eq!(check(br#"{"a":1,"seal":"6-a702fc6e"#), Seal::Broken);
        assert_eq!(check(b""), Seal::Absent);
    }
}
