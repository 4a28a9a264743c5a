//! Loading the images of a spec.

use std::path::Path;

use record::DataSpec;
use units::limits;

use super::{
    cifar, embedded,
    error::DataError,
    idx,
    loaded::{Dataset, Splits},
    manifest::{Format, Manifest},
    open::{DataOptions, open_dataset},
    pixels::Pixels,
};

/// Channels and side, in pixels, of the images of a known data set; `None` for other names.
#[must_use]
pub fn image_shape(name: &str) -> Option<[usize; 2]> {
    let embedded = embedded::size(name).map(|(channels, side)| [channels, side]);
    let published = || Manifest::named(name).ok().map(|found| [found.channels, found.side]);
    embedded.or_else(published)
}

/// Loads the images of a spec: `train` images from the start of the training split, `validation` images
/// after those, and `test` images from the start of the test split. A spec may also name a path, as
/// [`open_dataset`] does, which divides your own images by the seed.
///
/// `folder` contains the files of real data sets. `seed` determines the images of the generated data sets;
/// real ones, the embedded ones among them, do not depend on it.
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
    let name = spec.name.as_str();
    let enough = |split, found: usize, asked| match found {
        found if found < asked => {
            Err(DataError::TooFew { name: spec.name.clone(), split, found, asked })
        }
        _ => Ok(()),
    };
    let (channels, side, classes, train, test) = if let (Some((channels, side)), Some(loaded)) =
        (embedded::size(name), embedded::load(name, [wanted, spec.test], seed))
    {
        let (train, test) = loaded?;
        (channels, side, embedded::CLASSES, train, test)
    } else if Manifest::named(name).is_err() && Path::new(name).exists() {
        let mut options =
            DataOptions { folder: folder.map(Path::to_owned), ..DataOptions::default() };
        options.train = Some(spec.train);
        options.validation = Some(spec.validation);
        options.test = Some(spec.test);
        return open_dataset(name, &options, seed);
    } else {
        let manifest = Manifest::named(name)?;
        let folder = folder.ok_or_else(|| DataError::NoFolder { name: name.to_owned() })?;
        let (train, test) = match manifest.format {
            Format::Idx => idx::load(&manifest, folder)?,
            Format::Cifar10 => cifar::load(&manifest, folder, wanted)?,
        };
        (manifest.channels, manifest.side, manifest.classes.len(), train, test)
    };
    enough("training", train.labels.len(), wanted)?;
    enough("test", test.labels.len(), spec.test)?;
    let size = channels * side * side;
    let mut splits = Splits::new(classes);
    let mut cut = |from: &Pixels, start: usize, n: usize| {
        let labels: Vec<u32> =
            from.labels[start..start + n].iter().copied().map(u32::from).collect();
        splits.split(&from.pixels[start * size..(start + n) * size], &labels)
    };
    let (train, validation, test) = (
        cut(&train, 0, spec.train),
        cut(&train, spec.train, spec.validation),
        cut(&test, 0, spec.test),
    );
    let name = spec.name.clone();
    let sha256 = splits.sha256();
    Ok(Dataset { name, channels, side, classes, train, validation, test, sha256 })
}
