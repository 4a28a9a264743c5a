//! Any data set for training: a known one or your own, divided into splits by a seed.

use std::path::PathBuf;

use rayon::prelude::*;
use units::limits;

use super::{
    collection::{Collection, collection_of},
    error::DataError,
    images::{ImageSource, LabeledImages},
    loaded::{Dataset, Splits},
    manifest::Manifest,
    shapes,
};
use crate::{
    random::Stream,
    vision::{Preprocessing, image_size},
};

/// The seed of the generated data sets, which is a part of their definition.
const GENERATED_SEED: u64 = 1;
/// Images of a generated data set if no numbers are given: training with validation, and test.
const GENERATED: [usize; 2] = [10_000, 2_000];

/// How to divide and prepare a data set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DataOptions {
    /// Folder with the files of known data sets.
    pub folder: Option<PathBuf>,
    /// Side of the square images in pixels: the shorter side is resized to it, and the center cropped.
    /// `None` keeps the size of images that are squares of one size.
    pub side: Option<usize>,
    /// 1 for gray, 3 for color. `None`: as in the data; 3 for JPEG and PNG files.
    pub channels: Option<usize>,
    /// Number of training images; `None` for all that are in no other split.
    pub train: Option<usize>,
    /// Number of validation images; `None` for all of a validation split that the data set has, or else for
    /// `validation_share` of its training images.
    pub validation: Option<usize>,
    /// Number of test images; `None` for all of a test split that the data set has, or else for `test_share`
    /// of its images.
    pub test: Option<usize>,
    /// Share of the training images that become validation images, if there is no such split.
    pub validation_share: f64,
    /// Share of the images that become test images, if there is no such split.
    pub test_share: f64,
}

impl Default for DataOptions {
    /// All images in their own size; 10 % for validation and 20 % for tests where there are no such splits.
    fn default() -> Self {
        Self {
            folder: None,
            side: None,
            channels: None,
            train: None,
            validation: None,
            test: None,
            validation_share: 0.1,
            test_share: 0.2,
        }
    }
}

/// Loads a data set by its name or path (see [`collection`](crate::collection)), ready for training.
///
/// Splits that the data set has are kept. Missing ones are taken from its training images: of known data
/// sets those that follow the training images, of your own ones by the seed, with about the same share of
/// each class. The same seed gives the same splits.
///
/// # Errors
///
/// If there is no such data set, a file is missing, damaged or not an image, the images differ in size and
/// no side is given, there are fewer images than requested, or they do not fit into memory.
pub fn open_dataset(name: &str, options: &DataOptions, seed: u64) -> Result<Dataset, DataError> {
    let size = |source| DataError::Size { name: name.to_owned(), source };
    let limit = limits::IMAGES_OR_NONE;
    let given =
        [options.train, options.validation, options.test].map(|count| count.unwrap_or(0) as u64);
    limit.sum(&given).map_err(size)?;
    for share in [options.validation_share, options.test_share] {
        limits::SHARE.check(share).map_err(size)?;
    }
    let generated = match options.train {
        Some(train) => train + options.validation.unwrap_or(0),
        None => GENERATED[0],
    };
    let generated = [generated, options.test.unwrap_or(GENERATED[1])];
    let found = collection_of(name, options.folder.as_deref(), GENERATED_SEED, generated)?;
    let known = shapes::size(name).is_some() || Manifest::named(name).is_ok();
    let divided = divide(name, found, options, (!known).then_some(seed))?;
    prepare(name, &divided, options)
}

/// A data set whose training, validation and test images are those of the options. Images are taken in the
/// order of the data set, or with a seed in a random order.
fn divide(
    name: &str,
    found: Collection,
    options: &DataOptions,
    seed: Option<u64>,
) -> Result<Collection, DataError> {
    let Collection { train, validation, test, .. } = &found;
    let order = |images: &LabeledImages, purpose| match seed {
        Some(seed) => balanced_order(images.labels(), seed, purpose),
        None => (0..images.len()).collect(),
    };
    let pool = order(train, "split/train");
    let part = |share: f64, of: usize| (share * of as f64).round() as usize;
    let from_pool = |split: &LabeledImages, count: Option<usize>, share, of| match count {
        _ if !split.is_empty() => 0,
        Some(count) => count,
        None => part(share, of),
    };
    let tests = from_pool(test, options.test, options.test_share, pool.len());
    let rest = pool.len().saturating_sub(tests);
    let validations = from_pool(validation, options.validation, options.validation_share, rest);
    let trains = options.train.unwrap_or(rest.saturating_sub(validations));
    let few =
        |split, found, asked| DataError::TooFew { name: name.to_owned(), split, found, asked };
    let asked = trains + validations + tests;
    if asked > pool.len() {
        return Err(few("training", pool.len(), asked));
    }
    let cut = |start: usize, count: usize| train.at(&pool[start..start + count]);
    let own = |split: &LabeledImages, count: Option<usize>, word, purpose| {
        let order = order(split, purpose);
        let count = count.unwrap_or(order.len());
        order
            .get(..count)
            .map(|chosen| split.at(chosen))
            .ok_or_else(|| few(word, order.len(), count))
    };
    let validation = if validation.is_empty() {
        cut(trains, validations)
    } else {
        own(validation, options.validation, "validation", "split/validation")?
    };
    let test = if test.is_empty() {
        cut(trains + validations, tests)
    } else {
        own(test, options.test, "test", "split/test")?
    };
    let train = cut(0, trains);
    Ok(Collection { train, validation, test, ..found })
}

/// A random order in which every part has about the same share of each class: the images of a class are
/// shuffled and spread evenly.
fn balanced_order(labels: &[u32], seed: u64, purpose: &str) -> Vec<usize> {
    let order = Stream::new(seed, purpose).permutation(labels.len());
    let classes = labels.iter().max().map_or(0, |label| *label as usize + 1);
    let mut sizes = vec![0_usize; classes];
    labels.iter().for_each(|label| sizes[*label as usize] += 1);
    let mut seen = vec![0_usize; classes];
    let mut placed: Vec<(f64, usize)> = order
        .into_iter()
        .map(|index| {
            let class = labels[index] as usize;
            seen[class] += 1;
            ((seen[class] as f64 - 0.5) / sizes[class] as f64, index)
        })
        .collect();
    placed.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    placed.into_iter().map(|(_, index)| index).collect()
}

/// Decodes the images of every split.
fn prepare(name: &str, found: &Collection, options: &DataOptions) -> Result<Dataset, DataError> {
    let size = |source| DataError::Size { name: name.to_owned(), source };
    let splits = [&found.train, &found.validation, &found.test];
    let shape = splits.iter().find_map(|split| split.shape());
    let side = match options.side {
        Some(side) => side,
        None => common_side(name, &splits)?,
    };
    limits::IMAGE_SIDE.check(side).map_err(size)?;
    let channels = options.channels.or(shape.map(|[channels, ..]| channels)).unwrap_or(3);
    let mut builder = Splits::new(found.classes.len());
    let mut load = |images: &LabeledImages| {
        let factors = [images.len(), channels, side, side].map(|factor| factor as u64);
        let values = limits::VALUES_IN_MEMORY.product(&factors).map_err(size)?;
        let pixels = pixels(images, channels, side, values as usize)
            .ok_or_else(|| DataError::Memory { name: name.to_owned(), values })??;
        Ok::<_, DataError>(builder.split(&pixels, images.labels()))
    };
    let (train, validation, test) =
        (load(&found.train)?, load(&found.validation)?, load(&found.test)?);
    Ok(Dataset {
        name: name.to_owned(),
        channels,
        side,
        classes: found.classes.len(),
        train,
        validation,
        test,
        sha256: builder.sha256(),
    })
}

/// The side of images that are all squares of one size.
fn common_side(name: &str, splits: &[&LabeledImages]) -> Result<usize, DataError> {
    let mut sizes = Vec::new();
    for split in splits.iter().filter(|split| !split.is_empty()) {
        match split.source() {
            ImageSource::Pixels { height, width, .. } => {
                sizes.push([*width as u32, *height as u32])
            }
            ImageSource::Files(files) => {
                let found: Vec<_> =
                    files.par_iter().map(|path| image_size(path)).collect::<Result<_, _>>()?;
                sizes.extend(found);
            }
        }
    }
    match sizes.first() {
        Some([width, height])
            if width == height && sizes.iter().all(|size| *size == [*width; 2]) =>
        {
            Ok(*width as usize)
        }
        _ => Err(DataError::Side { name: name.to_owned() }),
    }
}

/// The pixels of images, `[n][channels][side][side]`; `None` if they do not fit into memory.
fn pixels(
    images: &LabeledImages,
    channels: usize,
    side: usize,
    values: usize,
) -> Option<Result<Vec<u8>, DataError>> {
    // As bytes, and later as floats.
    Vec::<f32>::new().try_reserve_exact(values).ok()?;
    let mut pixels = Vec::new();
    pixels.try_reserve_exact(values).ok()?;
    match images.source() {
        ImageSource::Pixels { channels: has, height, width, values }
            if [*has, *height, *width] == [channels, side, side] =>
        {
            pixels.extend_from_slice(values);
        }
        _ => {
            let side = side as u32;
            let plain = Preprocessing {
                resize: side,
                crop: side,
                bicubic: false,
                mean: [0.0; 3],
                deviation: [1.0; 3],
            };
            for start in (0..images.len()).step_by(PART) {
                let range = start..images.len().min(start + PART);
                let values = images.prepare(range, &plain, channels).and_then(|part| {
                    let values =
                        part.images.flatten_all().and_then(|values| values.to_vec1::<f32>());
                    values.map_err(|error| crate::vision::VisionError::from(error).into())
                });
                match values {
                    Ok(values) => {
                        pixels.extend(values.iter().map(|value| (value * 255.0).round() as u8))
                    }
                    Err(error) => return Some(Err(error)),
                }
            }
        }
    }
    Some(Ok(pixels))
}

/// Images that are decoded at once.
const PART: usize = 256;
