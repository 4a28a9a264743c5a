//! Loading a data set by name.

use std::path::Path;

use record::DataSpec;
use sha2::{Digest, Sha256};
use units::limits;

use super::{
    cifar,
    content::hex,
    error::DataError,
    idx,
    manifest::{Format, Manifest},
    pixels::Pixels,
    shapes,
};

/// Images with their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// `[n][channels][side][side]`, scaled to [0, 1] without further normalization, as in the study.
    pub images: Vec<f32>,
    /// `[n]`, each below the number of classes.
    pub labels: Vec<u32>,
}

/// A data set, ready for training.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset {
    /// Name of the data set.
    pub name: String,
    /// Colors of a pixel: 1 for gray; 3 for red, green and blue.
    pub channels: usize,
    /// Side of the square images in pixels.
    pub side: usize,
    /// Number of classes.
    pub classes: usize,
    /// Images to train on.
    pub train: Split,
    /// Images to choose hyper-parameters by.
    pub validation: Split,
    /// Images to compute the final accuracy on.
    pub test: Split,
    /// SHA-256 of the pixels and labels above, in hex.
    pub sha256: String,
}

/// Loads the images of a spec: `train` images from the start of the training split, `validation` images
/// after those, and `test` images from the start of the test split.
///
/// `folder` contains the files of real data sets. `seed` determines the images of the generated data sets;
/// real ones do not depend on it.
///
/// # Errors
///
/// If the name is unknown, a file is missing, damaged or not the published one, or a split has too few
/// images.
pub fn load_dataset(
    spec: &DataSpec,
    folder: Option<&Path>,
    seed: u64,
) -> Result<Dataset, DataError> {
    let limit = limits::IMAGES_OR_NONE;
    let wanted = limit
        .sum(&[spec.train as u64, spec.validation as u64])
        .and_then(|wanted| limit.check(spec.test).map(|_| wanted as usize))
        .map_err(|source| DataError::Size { name: spec.name.clone(), source })?;
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
            images: pixels.iter().map(|pixel| f32::from(*pixel) / 255.0).collect(),
            labels: labels.iter().map(|label| u32::from(*label)).collect(),
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
        sha256: hex(&hash.finalize()),
    })
}
