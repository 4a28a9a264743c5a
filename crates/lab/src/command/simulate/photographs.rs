//! Photographs of a folder as the images of requests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use candle_core::Tensor;
use models::vision::{Preprocessing, Pretrained, VisionError};
use rayon::prelude::*;

use super::network::Prepare;

/// Where the images of requests come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Images {
    /// Folder of photographs (JPEG, PNG), which the requests ask for in turns: reading, decoding,
    /// resizing, cropping and normalizing one is a part of its service. Random images that lie
    /// ready in memory if left out.
    #[arg(long = "images", value_name = "DIR")]
    pub(super) folder: Option<PathBuf>,
    /// Prepare every photograph once, before the first request, and keep it in memory.
    #[arg(long = "cache-images", requires = "folder")]
    pub(super) cached: bool,
}

/// What prepares the photographs of a folder for a network at that side, as torchvision does for
/// its published weights, and how many there are. All are prepared once: what cannot be is found
/// before anything is served.
pub(super) fn prepare(
    folder: &Path,
    cached: bool,
    network: &str,
    side: usize,
) -> anyhow::Result<(Prepare, usize)> {
    let files = files(folder)?;
    let count = files.len();
    let preprocessing = preprocessing(network, side)?;
    let read = move |path: &PathBuf| preprocessing.read(std::slice::from_ref(path));
    let ready: Vec<Option<Tensor>> = files
        .par_iter()
        .map(|path| Ok(Some(read(path)?).filter(|_| cached)))
        .collect::<Result<_, VisionError>>()
        .context("--images")?;
    let prepare = move |requests: &[usize]| {
        let image = |request: &usize| {
            let index = request % files.len();
            ready[index].clone().map_or_else(|| read(&files[index]), Ok)
        };
        let images: Vec<Tensor> = requests.par_iter().map(image).collect::<Result<_, _>>()?;
        Ok(Tensor::cat(&images, 0)?)
    };
    Ok((Box::new(prepare), count))
}

/// Photographs of a folder, by name.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries =
        entries.with_context(|| format!("--images: failed to read `{}`", folder.display()))?;
    let photograph = |path: &PathBuf| {
        let ending = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
        ending.is_some_and(|it| ["jpg", "jpeg", "png"].contains(&it.as_str()))
    };
    let mut files: Vec<PathBuf> =
        entries.iter().map(fs::DirEntry::path).filter(photograph).collect();
    files.sort();
    if files.is_empty() {
        return Err(anyhow!(
            "--images: `{}` holds no photographs: expected files that end in .jpg, .jpeg or .png",
            folder.display()
        ));
    }
    Ok(files)
}

/// That of the network's published weights, in proportion for another side.
fn preprocessing(network: &str, side: usize) -> anyhow::Result<Preprocessing> {
    let published = Pretrained::default_of(network).or_else(|| Pretrained::default_of("resnet18"));
    let published =
        published.with_context(|| format!("nobody says how {network} wants its images"))?;
    let usual = published.preprocessing;
    let crop = u32::try_from(side).with_context(|| format!("`--side` is {side}"))?;
    let resize = (u64::from(usual.resize) * u64::from(crop)).div_ceil(u64::from(usual.crop.max(1)));
    let resize = u32::try_from(resize).with_context(|| format!("`--side` is {side}"))?;
    Ok(Preprocessing { resize, crop, ..usual })
}
