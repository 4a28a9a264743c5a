//! The images that requests ask for: random ones in memory, or photographs of a folder.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use candle_core::Tensor;
use models::vision::{NetworkInfo, Preprocessing, Pretrained, VisionError};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use units::open_regular;

/// Number of different random images; request i asks for image i modulo this number.
pub(crate) const POOL: usize = 64;

/// Why photographs cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PhotographsError {
    /// The folder of photographs does not exist.
    #[error(
        "photographs: there is no folder `{name}`{}; create it, or give another folder of data sets by \
         `--data-dir DIR`",
        in_folder(folder)
    )]
    Missing {
        /// Name of the folder of photographs.
        name: String,
        /// The folder of data sets; empty if there is none.
        folder: PathBuf,
    },
    /// The folder or a file in it cannot be read.
    #[error("photographs: failed to read `{}`", path.display())]
    Read {
        /// The folder or the file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The folder contains no files that could be photographs.
    #[error(
        "photographs: folder `{}` has no files that end in .jpg, .jpeg or .png",
        folder.display()
    )]
    Empty {
        /// The folder.
        folder: PathBuf,
    },
    /// A file is not an image, or the network does not accept images of that side.
    #[error(transparent)]
    Vision(#[from] VisionError),
}

/// ` in FOLDER`; empty if there is no folder.
fn in_folder(folder: &Path) -> String {
    if folder.as_os_str().is_empty() {
        String::new()
    } else {
        format!(" in `{}`", folder.display())
    }
}

/// The images of requests.
pub(crate) enum Images {
    /// `[POOL][channels][side][side]`
    Random(Tensor),
    /// Prepared images, of which requests use one after another: `[n][channels][side][side]`
    Ready(Tensor),
    Photographs(Photographs),
}

/// Photographs of a folder; request i asks for file i modulo their number.
pub(crate) struct Photographs {
    files: Vec<PathBuf>,
    preprocessing: Preprocessing,
    /// Prepared images; empty if each request prepares its own.
    ready: Vec<Tensor>,
    sha256: String,
}

impl Images {
    /// Random square images of `side` pixels, with the channels that a network reads.
    pub(crate) fn random(
        network: &NetworkInfo,
        side: usize,
        seed: u64,
    ) -> Result<Self, VisionError> {
        Ok(Self::Random(network.random_images(POOL, side, seed)?))
    }

    /// The photographs of a folder, prepared for a network as torchvision does for its published weights, at
    /// `side` pixels. If `cached`, they are prepared once and kept in memory.
    pub(crate) fn photographs(
        folder: &Path,
        cached: bool,
        network: &str,
        side: usize,
    ) -> Result<Self, PhotographsError> {
        let (files, sha256) = files(folder)?;
        let preprocessing = preprocessing(network, side);
        // Prepare all of them in any case, so that a bad file is found before serving starts.
        let ready: Vec<Tensor> = files
            .par_iter()
            .map(|path| preprocessing.read(std::slice::from_ref(path)))
            .collect::<Result<_, VisionError>>()?;
        let ready = if cached { ready } else { Vec::new() };
        Ok(Self::Photographs(Photographs { files, preprocessing, ready, sha256 }))
    }

    /// The images of some requests, `[n][3][side][side]`.
    pub(crate) fn batch(&self, requests: &[usize]) -> Result<Tensor, VisionError> {
        let images: Vec<Tensor> = match self {
            Self::Random(pool) => {
                let image = |request: &usize| pool.narrow(0, request % POOL, 1);
                requests.iter().map(image).collect::<Result<_, _>>()?
            }
            Self::Ready(all) => {
                let count = all.dim(0)?;
                let image = |request: &usize| all.narrow(0, request % count, 1);
                requests.iter().map(image).collect::<Result<_, _>>()?
            }
            Self::Photographs(photographs) => requests
                .par_iter()
                .map(|request| photographs.image(*request))
                .collect::<Result<_, _>>()?,
        };
        Ok(Tensor::cat(&images, 0)?)
    }

    /// The random images, [`POOL`] of them; `None` for photographs.
    pub(crate) fn pool(&self) -> Option<&Tensor> {
        match self {
            Self::Random(pool) => Some(pool),
            Self::Ready(_) | Self::Photographs(_) => None,
        }
    }

    /// Number of photographs; 0 if the images are random.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Random(_) | Self::Ready(_) => 0,
            Self::Photographs(photographs) => photographs.files.len(),
        }
    }

    /// SHA-256 of the photographs' names and bytes, in hex; `None` if the images are random.
    pub(crate) fn sha256(&self) -> Option<&str> {
        match self {
            Self::Random(_) | Self::Ready(_) => None,
            Self::Photographs(photographs) => Some(&photographs.sha256),
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

/// The photographs of a folder, sorted by name, and their checksum.
fn files(folder: &Path) -> Result<(Vec<PathBuf>, String), PhotographsError> {
    let wrong = |path: &Path| {
        let path = path.to_owned();
        move |source| PhotographsError::Read { path, source }
    };
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let photograph = |path: &PathBuf| {
        let extension = path.extension().and_then(|name| name.to_str());
        let extension = extension.map(str::to_ascii_lowercase).unwrap_or_default();
        ["jpg", "jpeg", "png"].contains(&extension.as_str())
    };
    let mut files: Vec<PathBuf> =
        entries.map_err(wrong(folder))?.iter().map(fs::DirEntry::path).filter(photograph).collect();
    files.sort();
    if files.is_empty() {
        return Err(PhotographsError::Empty { folder: folder.to_owned() });
    }
    let mut hash = Sha256::new();
    for path in &files {
        let mut bytes = Vec::new();
        open_regular(path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .map_err(wrong(path))?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        for part in [name, &bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    Ok((files, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// The preprocessing of a network's published weights, scaled to a side. Networks without published weights use
/// that of ResNet-18.
fn preprocessing(network: &str, side: usize) -> Preprocessing {
    let usual = Pretrained::default_of(network)
        .or_else(|| Pretrained::default_of("resnet18"))
        .expect("ResNet-18 has published weights")
        .preprocessing;
    let crop = u32::try_from(side).unwrap_or(u32::MAX);
    let resize = (u64::from(usual.resize) * u64::from(crop)).div_ceil(u64::from(usual.crop.max(1)));
    Preprocessing { resize: u32::try_from(resize).unwrap_or(u32::MAX), crop, ..usual }
}
