//! Files that may be compressed, whatever their name says.

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::{
    bufread::XzDecoder,
    stream::{CONCATENATED, Stream},
};

/// Layers of compression that are removed: a `.gz` that somebody compressed again.
const LAYERS: u32 = 2;
/// Memory that the decoder of an xz file may use, in bytes; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 128 << 20;

/// The content of a source: decompressed if its first bytes are those of gzip (RFC 1952) or xz. Several
/// gzip members or xz streams in a row are one content.
///
/// # Errors
///
/// If the source cannot be read.
pub(super) fn decompressed<'a>(source: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut source: Box<dyn BufRead + 'a> = Box::new(BufReader::new(source));
    for _ in 0..LAYERS {
        let start = source.fill_buf()?;
        if start.starts_with(b"\x1f\x8b") {
            source = Box::new(BufReader::new(MultiGzDecoder::new(source)));
        } else if start.starts_with(b"\xfd7zXZ\0") {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, CONCATENATED)?;
            source = Box::new(BufReader::new(XzDecoder::new_stream(source, stream)));
        } else {
            break;
        }
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;

    use super::*;
    use units::read_at_most;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn read(source: &[u8]) -> io::Result<Vec<u8>> {
        read_at_most(decompressed(source)?, 1 << 20)
    }

    #[test]
    fn content_is_the_same_in_every_form() {
        let content: Vec<u8> = (0..5000_u32).map(|i| (i * i % 251) as u8).collect();
        let mut xz = Vec::new();
        liblzma::read::XzEncoder::new(&content[..], 1).read_to_end(&mut xz).unwrap();
        let members = [gzip(&content[..1000]), gzip(&content[1000..])].concat();
        for form in [content.clone(), gzip(&content), members, xz.clone(), gzip(&gzip(&content))] {
            assert_eq!(read(&form).unwrap(), content);
        }
        // A truncated file is an error, not fewer bytes.
        assert!(read(&gzip(&content)[..200]).is_err() && read(&xz[..200]).is_err());
    }

    #[test]
    fn a_small_file_of_a_huge_content_is_refused_early() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 1 << 20);
        let error = read_at_most(decompressed(&bomb[..]).unwrap(), 30_730_000).unwrap_err();
        assert!(error.to_string().contains("more than 30730000 bytes"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(
            magic in prop_oneof![Just(&b"\x1f\x8b\x08"[..]), Just(&b"\xfd7zXZ\0"[..]), Just(&b""[..])],
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            drop(read(&[magic, &rest].concat()));
        }
    }
}
