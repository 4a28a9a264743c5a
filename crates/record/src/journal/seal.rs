//! The seal of a line: its length and checksum, as the last member of its object.
//!
//! `{…}` becomes `{…,"seal":"1234-89abcdef"}`: 1234 bytes before `,"seal"`, whose CRC-32 (that of
//! Ethernet and zip) is 89abcdef. A line stays one JSON object that any program can read.

const KEY: &[u8] = b",\"seal\":\"";
/// Key, length of a line in memory, hyphen, checksum, end.
const LONGEST: usize = KEY.len() + 20 + 1 + 8 + 2;

/// What a line's end says of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal<'a> {
    /// The line is as it was written: the object without its seal and its closing brace.
    Whole(&'a [u8]),
    /// There is none: a line from before there were seals.
    Absent,
    /// The line is not what was sealed.
    Broken,
}

/// Adds the seal to the bytes of a JSON object that has members.
pub(super) fn seal(object: &mut Vec<u8>) {
    object.pop();
    let text = text_of(object);
    object.extend_from_slice(KEY);
    object.extend_from_slice(text.as_bytes());
    object.extend_from_slice(b"\"}");
}

/// Checks a line, without its line end.
pub(super) fn check(line: &[u8]) -> Seal<'_> {
    let from = line.len().saturating_sub(LONGEST);
    let found = line[from..].windows(KEY.len()).rposition(|it| it == KEY);
    let Some(at) = found.map(|it| from + it) else { return Seal::Absent };
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
    fn a_sealed_line_is_the_object_and_one_member() {
        let mut line = br#"{"a":1}"#.to_vec();
        seal(&mut line);
        // CRC-32 of `{"a":1`, as Python's zlib.crc32 tells.
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
