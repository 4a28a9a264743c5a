//! Finding and verifying the files of a data set, in every usual form and place.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use super::{
    cifar_python,
    compressed::decompressed,
    error::DataError,
    manifest::{Manifest, ManifestFile},
};
use units::{open_regular, read_at_most};

/// Bytes as hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a file of a data set may be.
enum Place {
    File(PathBuf),
    /// An archive, which contains the file under one of its names.
    Archive(PathBuf),
}

impl Place {
    fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Archive(path) => path,
        }
    }
}

/// The names that people know a file by: `train-images-idx3-ubyte` is also unpacked as
/// `train-images.idx3-ubyte`, and `data_batch_1.bin` is `data_batch_1` in the python version.
fn names(file: &ManifestFile) -> Vec<String> {
    let mut names = vec![file.name.clone()];
    if file.name.contains("-idx") {
        names.push(file.name.replace("-idx", ".idx"));
    }
    names.extend(file.name.strip_suffix(".bin").map(str::to_owned));
    names
}

/// The existing files that may contain a file of a data set below a folder, single files before archives.
fn places(manifest: &Manifest, file: &ManifestFile, folder: &Path) -> Vec<Place> {
    let mut folders = Vec::new();
    for root in [folder.to_owned(), folder.join(&manifest.name)] {
        folders.push(root.clone());
        folders.extend(manifest.folders.iter().map(|inside| root.join(inside)));
    }
    let mut found = Vec::new();
    for name in names(file) {
        for folder in &folders {
            for suffix in ["", ".gz", ".xz"] {
                let path = folder.join(format!("{name}{suffix}"));
                if path.is_file() {
                    found.push(Place::File(path));
                }
            }
        }
    }
    for name in &manifest.archives {
        let unzipped = name.strip_suffix(".gz").unwrap_or(name);
        for folder in &folders {
            for path in [folder.join(name), folder.join(unzipped)] {
                if path.is_file() {
                    found.push(Place::Archive(path));
                }
            }
        }
    }
    found
}

/// Whether a folder has a file of a data set, in whatever form.
pub(super) fn is_there(manifest: &Manifest, file: &ManifestFile, folder: &Path) -> bool {
    !places(manifest, file, folder).is_empty()
}

/// The content of a file: decompressed, and converted from CIFAR's python version if it is that.
fn converted(source: impl Read, file: &ManifestFile, bytes: u64) -> io::Result<Vec<u8>> {
    let mut source = decompressed(source)?;
    if file.name.ends_with(".bin") && source.fill_buf()?.starts_with(&[cifar_python::PROTOCOL]) {
        // Besides the images it has their file names, about 20 bytes each.
        let pickle = read_at_most(source, bytes + bytes / 16 + 65_536)?;
        return cifar_python::records(&pickle, file.images).map_err(io::Error::other);
    }
    read_at_most(source, bytes)
}

/// Reads a file from where it may be; `None` if it is an archive without that file.
fn read_place(place: &Place, file: &ManifestFile, bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let opened = open_regular(place.path())?;
    if matches!(place, Place::File(_)) {
        return converted(opened, file, bytes).map(Some);
    }
    let names = names(file);
    let mut archive = tar::Archive::new(decompressed(opened)?);
    for entry in archive.entries()? {
        let entry = entry?;
        let wanted = entry.path().is_ok_and(|path| {
            path.file_name().is_some_and(|name| names.iter().any(|wanted| name == &**wanted))
        });
        if wanted && entry.header().entry_type().is_file() {
            return converted(entry, file, bytes).map(Some);
        }
    }
    Ok(None)
}

/// Finds a file of a data set below a folder, verifies its content's checksum, and returns its path.
///
/// # Errors
///
/// If the file is missing, cannot be read or decompressed, or its content is not the published one.
pub fn verify(
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
) -> Result<PathBuf, DataError> {
    read(manifest, file, folder).map(|(path, _)| path)
}

/// Finds a file of a data set below a folder, verifies its checksum, and returns its content.
///
/// The file may be compressed (gzip or xz, whatever its name) or not, have a dotted name
/// (`train-images.idx3-ubyte`), and be in the folder itself, in one of the data set's name, in one where
/// other programs put it (torchvision's `MNIST/raw`), or in an archive there. CIFAR-10 is also read from
/// its python version. The checksum is that of the content, so the form does not matter. If there are
/// several such files, the first with the right content counts.
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

/// The path and the content of a file.
pub(super) fn read(
    manifest: &Manifest,
    file: &ManifestFile,
    folder: &Path,
) -> Result<(PathBuf, Vec<u8>), DataError> {
    let bytes = manifest.content_bytes(file);
    let mut first = None;
    for place in places(manifest, file, folder) {
        let path = place.path().to_owned();
        let error = match read_place(&place, file, bytes) {
            Ok(Some(content)) => match wrong(file, &path, &content, bytes) {
                None => return Ok((path, content)),
                Some(error) => error,
            },
            Ok(None) => continue,
            Err(source) => DataError::Read { path, source },
        };
        first.get_or_insert(error);
    }
    Err(first.unwrap_or_else(|| DataError::Missing {
        name: manifest.name.clone(),
        file: file.name.clone(),
        folder: folder.to_owned(),
    }))
}

/// Why a content is not the published one.
fn wrong(file: &ManifestFile, path: &Path, content: &[u8], bytes: u64) -> Option<DataError> {
    let path = path.to_owned();
    if let Some(expected) = &file.sha256 {
        let found = hex(&Sha256::digest(content));
        let expected = expected.clone();
        return (found != expected).then_some(DataError::Checksum { path, found, expected });
    }
    let problem = format!("its content has {} bytes, expected {bytes}", content.len());
    (content.len() as u64 != bytes).then_some(DataError::Format { path, problem })
}
