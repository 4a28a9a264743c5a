//! Manifests: what a data set consists of, where it comes from, and how to know it is the real one.

use serde::Deserialize;

use super::{DataError, embedded_names};

/// The manifests that come with this crate.
const BUILT_IN: &[(&str, &str)] = &[
    ("fashion-mnist", include_str!("../../../../datasets/fashion-mnist.toml")),
    ("mnist", include_str!("../../../../datasets/mnist.toml")),
    ("cifar-10", include_str!("../../../../datasets/cifar-10.toml")),
];

/// What a data set consists of.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name on the command line.
    pub name: String,
    /// Its name in prose.
    pub title: String,
    /// Under which terms it may be used.
    pub licence: String,
    /// Its home page.
    pub source: String,
    /// What to cite.
    pub cite: String,
    /// How files are laid out.
    pub format: Format,
    /// Of an image.
    pub channels: usize,
    /// Of the square images, in pixels.
    pub side: usize,
    /// Their names, by label.
    pub classes: Vec<String>,
    /// Addresses that a file's name is added to.
    pub mirrors: Vec<String>,
    /// All files in one, if the publisher offers it so.
    pub archive: Option<Archive>,
    /// The files.
    pub files: Vec<ManifestFile>,
}

/// How files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Format {
    /// LeCun's IDX, one file of images and one of labels.
    #[serde(rename = "idx")]
    Idx,
    /// Krizhevsky's records of a label byte and planes of pixels.
    #[serde(rename = "cifar-10")]
    Cifar10,
}

/// An archive with every file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    /// Where it is.
    pub address: String,
    /// The folder inside it.
    pub folder: String,
    /// Its size.
    pub bytes: u64,
    /// Its sum, in hex.
    pub sha256: String,
}

/// A file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub role: FileRole,
    /// How many images or labels.
    pub images: usize,
    /// Sum of the file under this name, in hex; where it lies packed as NAME.xz or NAME.gz, of its
    /// unpacked content. `None` where only the archive's is published.
    pub sha256: Option<String>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// Images to train on.
    TrainImages,
    /// Their labels.
    TrainLabels,
    /// Images to test on.
    TestImages,
    /// Their labels.
    TestLabels,
    /// Images to train on with their labels.
    Train,
    /// Images to test on with their labels.
    Test,
}

impl Manifest {
    /// Names of the sets that need files.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }

    /// The manifest of a set.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    ///
    /// # Panics
    ///
    /// Never: a test reads every manifest.
    pub fn named(name: &str) -> Result<Self, DataError> {
        let found = BUILT_IN.iter().find(|(it, _)| *it == name);
        let (_, text) = found.ok_or_else(|| {
            let known = embedded_names().into_iter().chain(Self::names());
            DataError::Unknown {
                name: name.to_owned(),
                known: known.map(|it| format!("`{it}`")).collect::<Vec<_>>().join(", "),
            }
        })?;
        Ok(toml::from_str(text).expect("a test reads every manifest"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_manifest_is_whole() {
        for name in Manifest::names() {
            let manifest = Manifest::named(name).unwrap();
            assert_eq!(manifest.name, name);
            assert_eq!(manifest.classes.len(), 10);
            assert!(manifest.archive.is_some() || !manifest.mirrors.is_empty());
            for file in &manifest.files {
                let covered = file.sha256.is_some() || manifest.archive.is_some();
                assert!(covered, "{name}: {} has no sum", file.name);
            }
        }
    }
}
