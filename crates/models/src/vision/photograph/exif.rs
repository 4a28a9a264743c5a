//! The orientation in EXIF data (CIPA DC-008), which are a TIFF header with a list of tags.

/// The tag `Orientation`.
const ORIENTATION: u16 = 0x0112;

/// The orientation that a TIFF block asks for, if it is not the usual one: 2 to 8.
pub(super) fn orientation(tiff: &[u8]) -> Option<u16> {
    let little = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = [*tiff.get(at)?, *tiff.get(at.checked_add(1)?)?];
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let (first, second) = (u32::from(short(at)?), u32::from(short(at.checked_add(2)?)?));
        Some(if little { second << 16 | first } else { first << 16 | second })
    };
    let start = long(4)? as usize;
    let count = usize::from(short(start)?);
    // Each entry has 12 bytes: tag, type, number of values, and the value itself if it is short.
    (0..count).map_while(|entry| start.checked_add(2 + 12 * entry)).find_map(|at| {
        let value = (short(at)? == ORIENTATION).then(|| short(at + 8))??;
        (2..=8).contains(&value).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_byte_orders_are_read() {
        let little = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
        let big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0";
        assert_eq!(orientation(little), Some(6));
        assert_eq!(orientation(big), Some(8));
        let mut usual = *little;
        usual[18] = 1;
        assert_eq!(orientation(&usual), None);
        assert_eq!(orientation(&little[..15]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(
            magic in prop_oneof![Just(&b"II*\0"[..]), Just(&b"MM\0*"[..])],
            rest in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let _ = orientation(&[magic, &rest].concat());
        }
    }
}
