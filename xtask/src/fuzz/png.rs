//! The checks of PNG files. Without them right, a reader refuses a damaged file before it looks at the rest.

/// The CRC-32 of PNG and gzip (ISO 3309), a bit at a time.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 }
        })
    })
}

/// The same file with the right check behind each chunk that is whole.
pub(super) fn with_right_checks(mut file: Vec<u8>) -> Vec<u8> {
    // After the signature: length, kind, content, CRC of kind and content.
    let mut at = 8;
    while let Some(length) = file.get(at..at + 4) {
        let length = length.iter().fold(0_usize, |value, byte| value << 8 | usize::from(*byte));
        let Some(content) = file.get(at + 4..at + 8 + length) else { break };
        let check = crc32(content).to_be_bytes();
        let end = at + 8 + length;
        let Some(place) = file.get_mut(end..end + 4) else { break };
        place.copy_from_slice(&check);
        at = end + 4;
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_file_stays_the_same_and_a_damaged_one_gets_its_check() {
        // The check value of CRC-32 in the catalog of CRC algorithms.
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let sound = include_bytes!("samples/color.png").to_vec();
        assert_eq!(with_right_checks(sound.clone()), sound);
        let mut damaged = sound.clone();
        damaged[16] ^= 1;
        let repaired = with_right_checks(damaged.clone());
        assert_eq!(repaired[..29], damaged[..29]);
        assert_ne!(repaired[29..33], damaged[29..33]);
    }
}
