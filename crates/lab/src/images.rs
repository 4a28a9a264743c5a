//! The images that requests ask for: random ones ready in memory, or photographs of a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use candle_core::Tensor;
use models::vision::{Preprocessing, Pretrained, VisionError, random_images};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Different random images; request i asks for image i modulo this.
pub(crate) const POOL: usize = 64;

/// Why there are no photographs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotographsError {
    /// No such folder.
    #[error(
        "photographs `{name}`: no such folder in `{}`; put one there, or name another folder of data \
         sets by `--data-dir`",
        folder.display()
    )]
    Missing {
        /// As given.
        name: String,
        /// The folder of data sets; empty if there is none.
        folder: PathBuf,
    },
    /// The folder or a file in it cannot be read.
    #[error("photographs: failed to read `{}`", path.display())]
    Read {
        /// What.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing that could be a photograph.
    #[error(
        "photographs: `{}` holds none: expected files that end in .jpg, .jpeg or .png",
        folder.display()
    )]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is none, or the network takes no images of that side.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// What a batch begins with, inside its service.
pub(crate) enum Images {
    /// `[POOL][3][side][side]`
    Random(Tensor),
    Photographs(Photographs),
}

/// Files, which the requests ask for in turns.
pub(crate) struct Photographs {
    files: Vec<PathBuf>,
    preprocessing: Preprocessing,
    /// Those that are prepared already; empty if each request prepares its own.
    ready: Vec<Tensor>,
    sha256: String,
}

impl Images {
    /// Square images of so many pixels a side.
    pub(crate) fn random(side: usize, seed: u64) -> Result<Self, VisionError> {
        Ok(Self::Random(random_images(POOL, side, seed)?))
    }

    /// The photographs of a folder, prepared for a network at that side as torchvision does for its
    /// published weights; `cached`: once, to be kept in memory.
    pub(crate) fn photographs(
        folder: &Path,
        cached: bool,
        network: &str,
        side: usize,
    ) -> Result<Self, PhotographsError> {
        let (files, sha256) = files(folder)?;
        let preprocessing = preprocessing(network, side);
        // All are prepared once: what cannot be is found before anything is served.
        let ready: Vec<Tensor> = files
            .par_iter()
            .map(|path| preprocessing.read(std::slice::from_ref(path)))
            .collect::<Result<_, VisionError>>()?;
        let ready = if cached { ready } else { Vec::new() };
        Ok(Self::Photographs(Photographs { files, preprocessing, ready, sha256 }))
    }

    /// Those of the requests with these numbers, `[n][3][side][side]`.
    pub(crate) fn batch(&self, requests: &[usize]) -> Result<Tensor, VisionError> {
        let images: Vec<Tensor> = match self {
            Self::Random(pool) => {
                let image = |it: &usize| pool.narrow(0, it % POOL, 1);
                requests.iter().map(image).collect::<Result<_, _>>()?
            }
            Self::Photographs(it) => {
                requests.par_iter().map(|request| it.image(*request)).collect::<Result<_, _>>()?
            }
        };
        Ok(Tensor::cat(&images, 0)?)
    }

    /// The images that lie ready, [`POOL`] of them.
    pub(crate) fn pool(&self) -> Option<&Tensor> {
        match self {
            Self::Random(pool) => Some(pool),
            Self::Photographs(_) => None,
        }
    }

    /// How many photographs there are; 0 if the images are random.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Random(_) => 0,
            Self::Photographs(it) => it.files.len(),
        }
    }

    /// SHA-256 over the photographs' names and bytes, in hex; `None` if the images are random.
    pub(crate) fn sha256(&self) -> Option<&str> {
        match self {
            Self::Random(_) => None,
            Self::Photographs(it) => Some(&it.sha256),
        }
    }
}

impl Photographs {
    fn image(&self, request: usize) -> Result<Tensor, VisionError> {
        let index = request % self.files.len();
        match self.ready.get(index) {
            Some(image) => Ok(image.clone()),
            None => self.preprocessing.read(std::slice::from_ref(&self.files[index])),
        }
    }
}

/// Photographs of a folder, by name, with their checksum.
fn files(folder: &Path) -> Result<(Vec<PathBuf>, String), PhotographsError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| PhotographsError::Read { path, source }
    };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let photograph = |path: &PathBuf| {
        let ending = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
        ending.is_some_and(|it| ["jpg", "jpeg", "png"].contains(&it.as_str()))
    };
    let mut files: Vec<PathBuf> =
        entries.map_err(wrong(folder))?.iter().map(fs::DirEntry::path).filter(photograph).collect();
    files.sort();
    if files.is_empty() {
        return Err(PhotographsError::Empty { folder: folder.to_owned() });
    }
    let mut hash = Sha256::new();
    for path in &files {
        let bytes = fs::read(path).map_err(wrong(path))?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        for part in [name, &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok((files, hash.finalize().iter().map(|it| format!("{it:02x}")).collect()))
}

/// That of the network's published weights, in proportion for another side; of networks without
/// any, as ResNet-18's.
fn preprocessing(network: &str, side: usize) -> Preprocessing {
    let usual = Pretrained::default_of(network)
        .or_else(|| Pretrained::default_of("resnet18"))
        .expect("ResNet-18 has published weights")
        .preprocessing;
    let crop = u32::try_from(side).unwrap_or(u32::MAX);
    let resize = (u64::from(usual.resize) * u64::from(crop)).div_ceil(u64::from(usual.crop.max(1)));
    Preprocessing { resize: u32::try_from(resize).unwrap_or(u32::MAX), crop, ..usual }
}
