//! Finding, decompressing and verifying files.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use sha2::{Digest, Sha256};

use super::{
    error::DataError,
    manifest::{FileRole, Manifest, ManifestFile},
};

/// Largest content of a file after decompression, in bytes. The largest known file has 154 MB.
const LARGEST: u64 = 1 << 30;

/// Bytes as hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Finds a file of a data set below a folder: as it is or compressed as NAME.xz or NAME.gz; in the folder
/// itself, in the data set's folder, or in the archive's folder.
fn find(manifest: &Manifest, file: &ManifestFile, folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned(), folder.join(&manifest.name)];
    if let Some(archive) = &manifest.archive {
        folders.push(folder.join(&archive.folder));
        folders.push(folder.join(&manifest.name).join(&archive.folder));
    }
    let names = ["", ".xz", ".gz"].map(|suffix| format!("{}{suffix}", file.name));
    folders
        .iter()
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|path| path.is_file())
}

/// Opens a file, and decompresses it if its name is that of the manifest with `.xz` or `.gz` added.
fn reader(file: &ManifestFile, path: &Path) -> io::Result<Box<dyn Read>> {
    let opened = BufReader::new(File::open(path)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(match name.strip_prefix(&file.name) {
        Some(".xz") => Box::new(XzDecoder::new(opened)),
        Some(".gz") => Box::new(MultiGzDecoder::new(opened)),
        _ => Box::new(opened),
    })
}

/// Reads and decompresses a file, but no more than [`LARGEST`] bytes.
fn read_all(mut reader: impl Read) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    reader.by_ref().take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::other(format!("its content has more than {LARGEST} bytes")));
    }
    Ok(content)
}

/// SHA-256 of a file in hex, computed after decompression if its name is that of the manifest with `.xz` or
/// `.gz` added.
///
/// # Errors
///
/// If the file cannot be read or decompressed.
pub fn content_sha256(file: &ManifestFile, path: &Path) -> Result<String, DataError> {
    let fail = |source| DataError::Read { path: path.to_owned(), source };
    let content = reader(file, path).and_then(read_all).map_err(fail)?;
    Ok(hex(&Sha256::digest(&content)))
}

/// Finds a file below a folder, verifies its checksum, and returns its path.
///
/// # Errors
///
/// If the file is missing, cannot be read or decompressed, or differs from the published one.
pub fn verify(
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
) -> Result<PathBuf, DataError> {
    read(manifest, file, folder).map(|(path, _)| path)
}

/// Finds a file below a folder, verifies its checksum, and returns its decompressed content.
///
/// # Errors
///
/// As [`verify`].
pub fn read_content(
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
) -> Result<Vec<u8>, DataError> {
    read(manifest, file, folder).map(|(_, content)| content)
}

fn read(
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
) -> Result<(PathBuf, Vec<u8>), DataError> {
    let path = find(manifest, file, folder).ok_or_else(|| DataError::Missing {
        name: manifest.name.clone(),
        file: file.name.clone(),
        folder: folder.to_owned(),
    })?;
    let fail = |source| DataError::Read { path: path.clone(), source };
    let content = reader(file, &path).and_then(read_all).map_err(fail)?;
    if let Some(expected) = &file.sha256 {
        let found = hex(&Sha256::digest(&content));
        if found != *expected {
            let expected = expected.clone();
            return Err(DataError::Checksum { path, found, expected });
        }
    }
    Ok((path, content))
}

/// Reads the file of a role. A file whose name in the manifest ends with `.gz` is decompressed as well.
pub(super) fn role(
    manifest: &Manifest,
    role: FileRole,
    folder: &Path,
) -> Result<(PathBuf, Vec<u8>), DataError> {
    let missing = || DataError::Missing {
        name: manifest.name.clone(),
        file: format!("{role:?}"),
        folder: folder.to_owned(),
    };
    let file = manifest.files.iter().find(|file| file.role == role).ok_or_else(missing)?;
    let (path, content) = read(manifest, file, folder)?;
    if !file.name.ends_with(".gz") {
        return Ok((path, content));
    }
    let raw = read_all(MultiGzDecoder::new(&content[..]))
        .map_err(|source| DataError::Read { path: path.clone(), source })?;
    Ok((path, raw))
}
