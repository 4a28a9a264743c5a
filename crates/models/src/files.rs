//! Reading files that somebody else chose: regular files only, and never more than expected.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Opens a file, if it is a regular one. A device such as `/dev/zero` never ends, and a pipe that nobody
/// writes to blocks.
///
/// # Errors
///
/// If there is no such file, or it is a folder, a device, a pipe or a socket.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    File::open(path)
}

/// Reads to the end, but stops one byte after `most`.
///
/// # Errors
///
/// If there are more than `most` bytes, or the source fails.
pub(crate) fn read_at_most(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.take(most.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_and_folders_are_refused_and_reading_stops_in_time() {
        assert!(open_regular(Path::new("/dev/zero")).unwrap_err().to_string().contains("regular"));
        assert!(open_regular(Path::new("/")).is_err());
        assert_eq!(read_at_most(&b"1234"[..], 4).unwrap(), b"1234");
        // An endless source: one byte more than expected is enough to know.
        let error = read_at_most(io::repeat(0), 1000).unwrap_err();
        assert!(error.to_string().contains("more than 1000 bytes"));
    }
}
