//! Reading files that somebody else chose: regular files only, and never more than expected.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    path::Path,
};

/// Opens a file, if it is a regular one. A device such as `/dev/zero` never ends, and a pipe that nobody writes to
/// blocks.
///
/// # Errors
///
/// If there is no such file, or it is a folder, a device, a pipe or a socket.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let refused = || io::Error::other("it is not a regular file");
    if !path.metadata()?.is_file() {
        return Err(refused());
    }
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe may have taken its place since then: opening it must not wait for a writer.
    #[cfg(target_os = "linux")]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NONBLOCK);
    let file = options.open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused()) }
}

/// `O_NONBLOCK` of Linux.
#[cfg(target_os = "linux")]
const NONBLOCK: i32 = 0o4000;

/// Reads to the end, but stops one byte after `most`.
///
/// # Errors
///
/// If there are more than `most` bytes, or the source fails.
pub fn read_at_most(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(content)
}

/// Reads a text of at most that many bytes from a regular file.
///
/// # Errors
///
/// As [`open_regular`] and [`read_at_most`], or if the text is not UTF-8.
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let content = read_at_most(open_regular(path)?, most)?;
    String::from_utf8(content).map_err(|_| io::Error::other("it is not a text in UTF-8"))
}

/// Whether a lock failed because the file system has none, as some network file systems.
#[must_use]
pub fn has_no_locks(error: &io::Error) -> bool {
    // `ENOLCK` of Linux, for which Rust has no name.
    error.kind() == io::ErrorKind::Unsupported || error.raw_os_error() == Some(37)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_folders_are_refused_and_reading_stops_in_time() {
        for other in ["/dev/zero", "/"] {
            let error = open_regular(Path::new(other)).unwrap_err().to_string();
            assert!(error.contains("regular"), "{error}");
        }
        assert_eq!(read_at_most(&b"1234"[..], 4).unwrap(), b"1234");
        // An endless source: one byte more than expected is enough to know.
        let error = read_at_most(io::repeat(0), 1000).unwrap_err();
        assert!(error.to_string().contains("more than 1000 bytes"));
    }

    #[test]
    fn a_text_of_the_expected_length_is_read() {
        let manifest = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert!(read_text(manifest, 100_000).unwrap().contains("[package]"));
        assert!(read_text(manifest, 3).unwrap_err().to_string().contains("more than 3 bytes"));
        assert!(read_text(Path::new("/dev/zero"), 3).is_err());
    }
}
