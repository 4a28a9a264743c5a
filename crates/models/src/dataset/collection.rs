//! A data set by name or path: its classes, and the images of each split.

use std::path::{Path, PathBuf};

use super::{
    cifar,
    compressed::decompressed,
    error::DataError,
    idx,
    images::LabeledImages,
    listing::{csv_file, image_folder, subfolders},
    manifest::{Format, Manifest},
    pixels::Pixels,
    shapes,
};
use units::open_regular;

/// Images of the generated data sets: of the training and of the test split.
const GENERATED: [usize; 2] = [10_000, 2_000];

/// A data set whose images are not prepared yet.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Collection {
    /// Its name, or its path as given.
    pub name: String,
    /// Names of the classes, in the order of their labels.
    pub classes: Vec<String>,
    /// Training images; all images if there are no splits.
    pub train: LabeledImages,
    /// Validation images; often none.
    pub validation: LabeledImages,
    /// Test images; none if there are no splits.
    pub test: LabeledImages,
}

impl Collection {
    /// The images that a network is evaluated on: those of the test split, or else the validation images, or
    /// else all; with the name of the split.
    #[must_use]
    pub fn evaluation(&self) -> (&'static str, &LabeledImages) {
        match (self.test.is_empty(), self.validation.is_empty()) {
            (false, _) => ("test", &self.test),
            (true, false) => ("validation", &self.validation),
            (true, true) => ("all", &self.train),
        }
    }
}

/// Finds a data set.
///
/// `name` is that of a known data set, whose files are in `folder`, or the path of your own:
///
/// - a folder with one folder of JPEG or PNG files for each class, as torchvision's `ImageFolder` reads
///   it, or with such folders `train` and `val` or `test`;
/// - a folder with the four files of MNIST's format (IDX), or with CIFAR-10's files, compressed or not;
/// - an IDX file of images, beside which is one of labels (`…-images…` and `…-labels…`);
/// - a CSV file whose lines are the path of an image and its label.
///
/// `seed` determines the images of the generated data sets; others do not depend on it.
///
/// # Errors
///
/// If there is no such data set, or a file is missing or damaged. Images are not decoded yet.
pub fn collection(name: &str, folder: Option<&Path>, seed: u64) -> Result<Collection, DataError> {
    collection_of(name, folder, seed, GENERATED)
}

/// As [`collection`], with the number of training and test images of generated data sets.
pub(super) fn collection_of(
    name: &str,
    folder: Option<&Path>,
    seed: u64,
    generated: [usize; 2],
) -> Result<Collection, DataError> {
    if let Some((channels, side)) = shapes::size(name) {
        let draw = |split, n| {
            let pixels = shapes::generate(channels, side, seed, split, n);
            LabeledImages::of_pixels(pixels, [channels, side, side])
        };
        return Ok(Collection {
            name: name.to_owned(),
            classes: numbers(shapes::CLASSES),
            train: draw("train", generated[0]),
            test: draw("test", generated[1]),
            ..Collection::default()
        });
    }
    let path = Path::new(name);
    if let Ok(manifest) = Manifest::named(name) {
        let folder = folder.ok_or_else(|| DataError::NoFolder { name: name.to_owned() })?;
        return published(&manifest, folder, name);
    }
    let found = if path.is_dir() {
        own_folder(path, name)?
    } else if path.exists() {
        own_file(path)?
    } else {
        return Err(Manifest::named(name)
            .err()
            .unwrap_or(DataError::NoPath { path: path.to_owned() }));
    };
    Ok(Collection { name: name.to_owned(), ..found })
}

/// Classes that have no names.
fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|label| label.to_string()).collect()
}

/// A data set with a manifest; all images that there are.
fn published(manifest: &Manifest, folder: &Path, name: &str) -> Result<Collection, DataError> {
    let (train, test) = match manifest.format {
        Format::Idx => idx::load(manifest, folder)?,
        Format::Cifar10 => cifar::load(manifest, folder, usize::MAX)?,
    };
    let shape = [manifest.channels, manifest.side, manifest.side];
    Ok(Collection {
        name: name.to_owned(),
        classes: manifest.classes.clone(),
        train: LabeledImages::of_pixels(train, shape),
        validation: LabeledImages::default(),
        test: LabeledImages::of_pixels(test, shape),
    })
}

/// The folder of a split: there may be several names for it, and class folders or images must be in it.
fn split_folder(folder: &Path, names: &[&str]) -> Option<PathBuf> {
    let with_classes = |path: &PathBuf| subfolders(path).is_ok_and(|folders| !folders.is_empty());
    names.iter().map(|name| folder.join(name)).find(with_classes)
}

fn own_folder(folder: &Path, name: &str) -> Result<Collection, DataError> {
    if let Some(train) = idx_images(folder, "train") {
        let (classes, train) = idx_pair(&train)?;
        let test = idx_images(folder, "t10k").or_else(|| idx_images(folder, "test"));
        let (more, test) = match test {
            Some(test) => idx_pair(&test)?,
            None => (0, LabeledImages::default()),
        };
        let classes = numbers(classes.max(more));
        return Ok(Collection { classes, train, test, ..Collection::default() });
    }
    for manifest in Manifest::names().into_iter().filter_map(|name| Manifest::named(name).ok()) {
        let cifar = manifest.format == Format::Cifar10;
        if cifar && folder_has(&manifest, folder) {
            return published(&manifest, folder, name);
        }
    }
    let Some(train) = split_folder(folder, &["train", "training"]) else {
        let (classes, train) = image_folder(folder, None)?;
        return Ok(Collection { classes, train, ..Collection::default() });
    };
    let (classes, train) = image_folder(&train, None)?;
    let other = |names: &[&str]| match split_folder(folder, names) {
        Some(split) => image_folder(&split, Some(&classes)).map(|(_, images)| images),
        None => Ok(LabeledImages::default()),
    };
    let validation = other(&["val", "valid", "validation"])?;
    let test = other(&["test", "testing"])?;
    Ok(Collection { classes, train, validation, test, ..Collection::default() })
}

/// Whether a folder has the test images of a data set with a manifest.
fn folder_has(manifest: &Manifest, folder: &Path) -> bool {
    let test = manifest.files.iter().rfind(|file| file.name.starts_with("test"));
    test.is_some_and(|file| super::content::is_there(manifest, file, folder))
}

fn own_file(path: &Path) -> Result<Collection, DataError> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv")) {
        let (classes, train) = csv_file(path)?;
        return Ok(Collection { classes, train, ..Collection::default() });
    }
    let (classes, train) = idx_pair(path)?;
    Ok(Collection { classes: numbers(classes), train, ..Collection::default() })
}

/// The file of a split's images in a folder, or in torchvision's folder `raw` inside it.
fn idx_images(folder: &Path, split: &str) -> Option<PathBuf> {
    for folder in [folder.to_owned(), folder.join("raw")] {
        for dot in ["-idx3-ubyte", ".idx3-ubyte"] {
            for suffix in ["", ".gz", ".xz"] {
                let path = folder.join(format!("{split}-images{dot}{suffix}"));
                if path.is_file() {
                    return Some(path);
                }
            }
        }
    }
    None
}

/// Images and labels of one's own in IDX files, with the number of classes: one more than the largest label.
fn idx_pair(images: &Path) -> Result<(usize, LabeledImages), DataError> {
    let read = |path: &Path, axes| {
        let wrong = |source| DataError::Read { path: path.to_owned(), source };
        let content = open_regular(path).and_then(decompressed).map_err(wrong)?;
        idx::read(content, axes).map_err(wrong)
    };
    let name = images.file_name().unwrap_or_default().to_string_lossy();
    let beside = name.replace("images", "labels").replace("idx3", "idx1");
    let stem = beside.trim_end_matches(".gz").trim_end_matches(".xz").to_owned();
    let labels = ["", ".gz", ".xz"].map(|suffix| images.with_file_name(format!("{stem}{suffix}")));
    let labels = labels.iter().find(|path| **path != *images && path.is_file()).ok_or_else(|| {
        DataError::Own {
            path: images.to_owned(),
            problem: format!(
                "it is read as IDX images, and its labels `{stem}` are not beside it; name the files \
                 `…-images-idx3-ubyte` and `…-labels-idx1-ubyte`, or give a folder or a `.csv` file"
            ),
        }
    })?;
    let found = read(images, 3)?;
    let values = idx::pair(labels, &found, read(labels, 1)?, None)?;
    let classes = values.iter().max().map_or(0, |label| usize::from(*label) + 1);
    if values.is_empty() || found.values.is_empty() {
        let problem = "it has no images".to_owned();
        return Err(DataError::Own { path: images.to_owned(), problem });
    }
    let (height, width) = (found.sizes[1], found.sizes[2]);
    let pixels = Pixels { pixels: found.values, labels: values };
    Ok((classes, LabeledImages::of_pixels(pixels, [1, height, width])))
}
