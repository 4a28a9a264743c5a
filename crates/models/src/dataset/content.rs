//! Files: found, verified, unpacked.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use sha2::{Digest, Sha256};

use super::{DataError, FileRole, Manifest, ManifestFile};

/// Bytes as hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// Where a file of a set lies below a folder: as itself, or packed as NAME.xz or NAME.gz; in the
/// folder, in the set's folder, or in the archive's.
fn find(manifest: &Manifest, file: &ManifestFile, folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned(), folder.join(&manifest.name)];
    if let Some(archive) = &manifest.archive {
        folders.push(folder.join(&archive.folder));
        folders.push(folder.join(&manifest.name).join(&archive.folder));
    }
    let names = ["", ".xz", ".gz"].map(|suffix| format!("{}{suffix}", file.name));
    folders
        .iter()
        .flat_map(|it| names.iter().map(move |name| it.join(name)))
        .find(|it| it.is_file())
}

/// The content of a file under its manifest's name: unpacked where it lies packed beside it.
fn reader(file: &ManifestFile, path: &Path) -> io::Result<Box<dyn Read>> {
    let opened = BufReader::new(File::open(path)?);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(match name.strip_prefix(&file.name) {
        Some(".xz") => Box::new(XzDecoder::new(opened)),
        Some(".gz") => Box::new(MultiGzDecoder::new(opened)),
        _ => Box::new(opened),
    })
}

/// SHA-256 of a file's content under its manifest's name, in hex.
///
/// # Errors
///
/// If it cannot be read or unpacked.
pub fn content_sha256(file: &ManifestFile, path: &Path) -> Result<String, DataError> {
    let fail = |source| DataError::Read { path: path.to_owned(), source };
    let mut content = Vec::new();
    reader(file, path).and_then(|mut it| it.read_to_end(&mut content)).map_err(fail)?;
    Ok(hex(&Sha256::digest(&content)))
}

/// Finds a file below a folder and verifies it; its path.
///
/// # Errors
///
/// If it is missing, cannot be unpacked, or is not the published one.
pub fn verify(
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
) -> Result<PathBuf, DataError> {
    read(manifest, file, folder).map(|(path, _)| path)
}

/// Reads a file below a folder: verified, unpacked under its manifest's name.
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
    let mut content = Vec::new();
    reader(file, &path).and_then(|mut it| it.read_to_end(&mut content)).map_err(fail)?;
    if let Some(expected) = &file.sha256 {
        let found = hex(&Sha256::digest(&content));
        if found != *expected {
            let expected = expected.clone();
            return Err(DataError::Checksum { path, found, expected });
        }
    }
    Ok((path, content))
}

/// The one file of a role, with the raw data inside it (a `.gz` of the manifest's own name is
/// unpacked too).
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
    let file = manifest.files.iter().find(|it| it.role == role).ok_or_else(missing)?;
    let (path, content) = read(manifest, file, folder)?;
    if !file.name.ends_with(".gz") {
        return Ok((path, content));
    }
    let mut raw = Vec::new();
    MultiGzDecoder::new(&content[..])
        .read_to_end(&mut raw)
        .map_err(|source| DataError::Read { path: path.clone(), source })?;
    Ok((path, raw))
}
