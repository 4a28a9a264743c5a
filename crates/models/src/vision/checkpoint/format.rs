//! The formats of files that are given as weights, by their structure.

use super::torch;

/// How many bytes from the beginning of a file are read to recognize its format.
pub(super) const START: u64 = 512;

/// The largest header of a safetensors file, as its specification says.
const LARGEST_HEADER: u64 = 100_000_000;

/// A format of weights, or what else a file is and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Safetensors,
    /// `torch.save`, or another program's zip file.
    Zip,
    /// `torch.save` before PyTorch 1.6.
    Legacy,
    Other(&'static str),
}

/// Beginnings of files that people take for weights.
const OTHERS: [(&[u8], &str); 9] = [
    (b"\x1f\x8b", "it is compressed with gzip; decompress it with `gunzip` first"),
    (b"\x28\xb5\x2f\xfd", "it is compressed with Zstandard; decompress it with `unzstd` first"),
    (b"\xfd7zXZ\0", "it is compressed with xz; decompress it with `unxz` first"),
    (b"\x89HDF\r\n", "it is an HDF5 file of Keras; convert it to safetensors"),
    (b"GGUF", "it is a GGUF file; convert it to safetensors"),
    (b"\x93NUMPY", "it is one NumPy array; save a state dict as safetensors"),
    (
        b"version https://git-lfs",
        "it is a pointer of Git LFS; run `git lfs pull` to get the file itself",
    ),
    (b"<!DOCTYPE", "it is a web page, probably an error page of a download; download it again"),
    (b"<html", "it is a web page, probably an error page of a download; download it again"),
];

impl Format {
    /// The format of a file of `size` bytes that begins with `start`.
    pub(super) fn of(start: &[u8], size: u64) -> Self {
        // First, because the length of a header may be any bytes, those of other formats included.
        if is_safetensors(start, size) {
            return Self::Safetensors;
        }
        if start.starts_with(b"PK\x03\x04") {
            return Self::Zip;
        }
        if torch::is_legacy(start) {
            return Self::Legacy;
        }
        if let Some((_, what)) = OTHERS.iter().find(|(bytes, _)| start.starts_with(bytes)) {
            return Self::Other(what);
        }
        if start.get(257..262) == Some(b"ustar") {
            return Self::Other("it is a tar archive; unpack it with `tar -xf` first");
        }
        if is_onnx(start) {
            return Self::Other(
                "it is an ONNX model, which contains its network; give it as the network (`--arch FILE.onnx`)",
            );
        }
        if start.first() == Some(&0x80) {
            return Self::Other("it is a pickle, but not one of `torch.save`");
        }
        Self::Other(
            "it is neither a safetensors file nor a file of PyTorch's `torch.save`; save the weights by \
             `torch.save(model.state_dict(), FILE)` or as safetensors",
        )
    }
}

/// Whether a header of JSON follows its length (8 bytes, little-endian) and is within the file.
fn is_safetensors(start: &[u8], size: u64) -> bool {
    let Some((length, rest)) = start.split_first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    let fits = length <= LARGEST_HEADER && length.checked_add(8).is_some_and(|end| end <= size);
    fits && rest.first() == Some(&b'{')
}

/// A model of ONNX is a message whose first field is the version of its format (field 1, a small number),
/// followed by a text or a message.
fn is_onnx(start: &[u8]) -> bool {
    matches!(start, [0x08, 1..=20, next, ..] if [0x12, 0x1a, 0x22, 0x28, 0x3a, 0x42].contains(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ResNet-50's header has 0x7080 bytes, which a test of the first byte took for a pickle.
    #[test]
    fn every_length_of_a_header_is_recognized() {
        let lengths = (2..70_000).chain([0x0403_4b50, 0x8b1f, LARGEST_HEADER]);
        for length in lengths {
            let mut start = u64::to_le_bytes(length).to_vec();
            start.extend_from_slice(b"{\"a\":");
            assert_eq!(Format::of(&start, length + 8), Format::Safetensors, "{length}");
            assert_ne!(Format::of(&start, length + 7), Format::Safetensors, "{length}");
        }
    }

    #[test]
    fn other_files_are_named() {
        for (start, word) in [
            (&b"\x1f\x8b\x08"[..], "gunzip"),
            (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
            (b"<!DOCTYPE html>", "download it again"),
            (b"\x08\x09\x12\x07pytorch", "ONNX"),
            (b"\x80\x04N.", "not one of `torch.save`"),
            (b"", "neither a safetensors file"),
        ] {
            match Format::of(start, start.len() as u64) {
                Format::Other(what) => assert!(what.contains(word), "{what}"),
                other => panic!("{start:?}: {other:?}"),
            }
        }
    }
}
