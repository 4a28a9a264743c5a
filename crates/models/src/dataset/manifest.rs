//! Manifests: the files of a data set, where to download them, and their checksums.

use serde::Deserialize;

use super::{error::DataError, names::embedded_names};

/// The manifests in this crate's folder `datasets`.
const BUILT_IN: &[(&str, &str)] = &[
    ("fashion-mnist", include_str!("../../datasets/fashion-mnist.toml")),
    ("mnist", include_str!("../../datasets/mnist.toml")),
    ("cifar-10", include_str!("../../datasets/cifar-10.toml")),
];

/// The manifest of a data set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Manifest {
    /// Name on the command line.
    pub name: String,
    /// Name in prose.
    pub title: String,
    /// The license, or the terms of use.
    pub licence: String,
    /// Address of the home page.
    pub source: String,
    /// The publication to cite.
    pub cite: String,
    /// Format of the files.
    pub format: Format,
    /// Colors of a pixel.
    pub channels: usize,
    /// Side of the square images in pixels.
    pub side: usize,
    /// Names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Folders inside a folder of data sets where other programs put the files.
    #[serde(default)]
    pub folders: Vec<String>,
    /// Names of archives that contain the files.
    #[serde(default)]
    pub archives: Vec<String>,
    /// Addresses; with a download's name appended, each is the address of a file.
    pub mirrors: Vec<String>,
    /// An archive of all files; `None` if the publisher offers none.
    pub archive: Option<Archive>,
    /// The files.
    pub files: Vec<ManifestFile>,
}

/// Format of a data set's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub enum Format {
    /// LeCun's IDX: a file of images and a file of labels.
    #[serde(rename = "idx")]
    Idx,
    /// Krizhevsky's records of a label byte and planes of pixels.
    #[serde(rename = "cifar-10")]
    Cifar10,
}

/// An archive of a data set's files.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Archive {
    /// Its address.
    pub address: String,
    /// The folder inside it that contains the files.
    pub folder: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: String,
}

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ManifestFile {
    /// Name of the file, not compressed.
    pub name: String,
    /// What it contains.
    pub role: FileRole,
    /// Number of images or labels.
    pub images: usize,
    /// SHA-256 of its content in hex, not compressed. `None` if only the archive's checksum is published.
    pub sha256: Option<String>,
    /// The file at the mirrors; `None` if there is an archive only.
    pub download: Option<Download>,
}

/// A file as its publisher offers it, compressed or not.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Download {
    /// Its name, which follows the mirror's address.
    pub name: String,
    /// SHA-256 of the download itself in hex.
    pub sha256: String,
}

/// Content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileRole {
    /// Training images.
    TrainImages,
    /// Labels of the training images.
    TrainLabels,
    /// Test images.
    TestImages,
    /// Labels of the test images.
    TestLabels,
    /// Training images with their labels.
    Train,
    /// Test images with their labels.
    Test,
}

impl Manifest {
    /// Names of the data sets that need files.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// The manifest of a data set.
    ///
    /// # Errors
    ///
    /// If the name is unknown.
    ///
    /// # Panics
    ///
    /// Never: a test reads every manifest.
    pub fn named(name: &str) -> Result<Self, DataError> {
        let found = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| {
            let known = embedded_names().into_iter().chain(Self::names());
            DataError::Unknown {
                name: name.to_owned(),
                known: known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            }
        })?;
        Ok(toml::from_str(text).expect("a test reads every manifest"))
    }

    /// Number of bytes of a file's content.
    pub(super) fn content_bytes(&self, file: &ManifestFile) -> u64 {
        let image = self.channels * self.side * self.side;
        let (header, item) = match file.role {
            // A magic number, then a number for each axis.
            FileRole::TrainImages | FileRole::TestImages => (16, image),
            FileRole::TrainLabels | FileRole::TestLabels => (8, 1),
            FileRole::Train | FileRole::Test => (0, image + 1),
        };
        (header + file.images * item) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_has_classes_addresses_and_checksums() {
        for name in Manifest::names() {
            let manifest = Manifest::named(name).unwrap();
            assert_eq!(manifest.name, name);
            assert_eq!(manifest.classes.len(), 10);
            assert!(manifest.archive.is_some() || !manifest.mirrors.is_empty());
            for file in &manifest.files {
                let sums = [&file.sha256, &file.download.as_ref().map(|file| file.sha256.clone())];
                assert!(file.sha256.is_some(), "{name}: {} has no checksum", file.name);
                assert!(sums.iter().flat_map(|sum| sum.as_ref()).all(|sum| sum.len() == 64));
                assert!(file.download.is_some() || manifest.archive.is_some());
            }
        }
    }
}
