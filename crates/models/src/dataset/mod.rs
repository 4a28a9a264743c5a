//! Images to train on: real ones from verified files, procedural ones from a seed.

mod cifar;
mod content;
mod idx;
mod manifest;
mod shapes;

use std::path::{Path, PathBuf};

use record::DataSpec;
use sha2::{Digest, Sha256};

pub use self::{
    content::{content_sha256, read_content, verify},
    manifest::{Archive, FileRole, Format, Manifest, ManifestFile},
};

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// `[n][channels][side][side]`, scaled to [0, 1] and nothing else, as the study did.
    pub images: Vec<f32>,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u32>,
}

/// A data set, ready for training.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Its name.
    pub name: String,
    /// 1 for gray, 3 for red, green, blue.
    pub channels: usize,
    /// Of the square images, in pixels.
    pub side: usize,
    /// Number of classes.
    pub classes: usize,
    /// To train on.
    pub train: Split,
    /// To choose hyper-parameters by.
    pub validation: Split,
    /// To judge by.
    pub test: Split,
    /// SHA-256 over the pixels and labels above, in hex.
    pub sha256: String,
}

/// Why images cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Nobody knows that set.
    #[error("no data set `{name}`; known are {known}")]
    Unknown {
        /// As given.
        name: String,
        /// Those that are.
        known: String,
    },
    /// Real data without a folder.
    #[error(
        "data set `{name}` needs files: say where by `--data-dir DIR`, or fetch them by `cargo xtask datasets fetch {name}`"
    )]
    NoFolder {
        /// The set.
        name: String,
    },
    /// A file is not there.
    #[error("file `{file}` of data set `{name}` is neither in `{}` nor in its folder `{name}`; fetch it by `cargo xtask datasets fetch {name} --to {}`", folder.display(), folder.display())]
    Missing {
        /// The set.
        name: String,
        /// The file.
        file: String,
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read or unpacked.
    #[error("failed to read `{}`: it is cut off or damaged; fetch it again", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// A file is not the published one.
    #[error("`{}` has SHA-256 {found}, expected {expected}; fetch it again", path.display())]
    Checksum {
        /// The file.
        path: PathBuf,
        /// As found.
        found: String,
        /// As published.
        expected: String,
    },
    /// A file does not hold what its format says.
    #[error("`{}`: {problem}; it is damaged or not of this format", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong, with what was expected and found.
        problem: String,
    },
    /// More images are asked for than there are.
    #[error(
        "data set `{name}` has {found} {split} images, the profile asks for {asked}; ask for fewer"
    )]
    TooFew {
        /// The set.
        name: String,
        /// `training` or `test`.
        split: &'static str,
        /// As found.
        found: usize,
        /// As asked.
        asked: usize,
    },
}

/// Names of the sets that need no files.
#[must_use]
pub fn embedded_names() -> [&'static str; 2] {
    ["shapes-28", "shapes-32"]
}

/// Raw images with their labels.
#[derive(Debug, Default)]
struct Pixels {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

/// Loads the images that a spec asks for: `train` from the front of the training split,
/// `validation` behind those, `test` from the front of the test split.
///
/// `seed` makes the procedural sets; real ones do not depend on it.
///
/// # Errors
///
/// If the set is unknown, or a file is missing, damaged, not the published one, or too short.
pub fn load_dataset(
    spec: &DataSpec,
    folder: Option<&Path>,
    seed: u64,
) -> Result<Dataset, DataError> {
    let wanted = spec.train + spec.validation;
    let (channels, side, classes, train, test) = match spec.name.as_str() {
        "shapes-28" | "shapes-32" => {
            let (channels, side) = if spec.name == "shapes-28" { (1, 28) } else { (3, 32) };
            let draw = |split, n| shapes::generate(channels, side, seed, split, n);
            (channels, side, shapes::CLASSES, draw("train", wanted), draw("test", spec.test))
        }
        name => {
            let manifest = Manifest::named(name)?;
            let folder = folder.ok_or_else(|| DataError::NoFolder { name: name.to_owned() })?;
            let (train, test) = match manifest.format {
                Format::Idx => idx::load(&manifest, folder)?,
                Format::Cifar10 => cifar::load(&manifest, folder, wanted)?,
            };
            let classes = manifest.classes.len();
            (manifest.channels, manifest.side, classes, train, test)
        }
    };
    let enough = |split, found: &Pixels, asked| match found.labels.len() {
        found if found < asked => {
            Err(DataError::TooFew { name: spec.name.clone(), split, found, asked })
        }
        _ => Ok(()),
    };
    enough("training", &train, wanted)?;
    enough("test", &test, spec.test)?;
    let size = channels * side * side;
    let mut hash = Sha256::new();
    let mut cut = |from: &Pixels, start: usize, n: usize| {
        let pixels = &from.pixels[start * size..(start + n) * size];
        let labels = &from.labels[start..start + n];
        hash.update((n as u64).to_le_bytes());
        hash.update(pixels);
        hash.update(labels);
        Split {
            images: pixels.iter().map(|it| f32::from(*it) / 255.0).collect(),
            labels: labels.iter().map(|it| u32::from(*it)).collect(),
        }
    };
    Ok(Dataset {
        name: spec.name.clone(),
        channels,
        side,
        classes,
        train: cut(&train, 0, spec.train),
        validation: cut(&train, spec.train, spec.validation),
        test: cut(&test, 0, spec.test),
        sha256: content::hex(&hash.finalize()),
    })
}
