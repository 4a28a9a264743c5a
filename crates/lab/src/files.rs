//! Reading files that somebody else chose: regular files only, and not more than expected.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// Opens a file, if it is a regular one. A device may never end, and a pipe that nobody writes to blocks.
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

/// Reads a text of at most that many bytes from a regular file.
///
/// # Errors
///
/// As [`open_regular`], or if the file is longer, or is not UTF-8.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    open_regular(path)?.take(most.saturating_add(1)).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_the_expected_length_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_text(&path, 4).unwrap(), "1234");
        assert!(read_text(&path, 3).unwrap_err().to_string().contains("more than 3 bytes"));
        for other in [folder.path(), Path::new("/dev/zero")] {
            assert!(read_text(other, 4).unwrap_err().to_string().contains("regular"));
        }
    }
}
