//! Data sets that are part of the program: generated shapes, and the first 10,000 training and 2,000 test images of
//! Fashion-MNIST (MIT, Zalando SE), made by `wattlab datasets subset`.

use std::{io, path::PathBuf};

use units::read_at_most;

use super::{
    compressed::decompressed,
    error::DataError,
    idx::{self, Idx},
    names::FASHION,
    pixels::Pixels,
    shapes,
};

const CHANNELS: usize = 1;
const SIDE: usize = 28;
pub(super) const CLASSES: usize = 10;

/// Channels and side of an embedded data set; `None` for other names.
pub(super) fn size(name: &str) -> Option<(usize, usize)> {
    if name == FASHION { Some((CHANNELS, SIDE)) } else { shapes::size(name) }
}

/// The first `train` training images and `test` test images of an embedded data set, or all if it has fewer.
/// `None` for other names.
///
/// # Errors
///
/// If the embedded files are damaged.
pub(super) fn load(
    name: &str,
    [train, test]: [usize; 2],
    seed: u64,
) -> Option<Result<(Pixels, Pixels), DataError>> {
    if name == FASHION {
        return Some(fashion([train, test]));
    }
    let (channels, side) = shapes::size(name)?;
    let draw = |split, n: usize| shapes::generate(channels, side, seed, split, n.min(shapes::MOST));
    Some(Ok((draw("train", train), draw("test", test))))
}

/// A file of the subset: its name, and its content.
type File = (&'static str, &'static [u8]);

macro_rules! file {
    ($name:literal) => {
        ($name, include_bytes!(concat!("../../datasets/fashion-mnist-small/", $name)).as_slice())
    };
}

const TRAIN: [File; 2] = [file!("train-images-idx3-ubyte.xz"), file!("train-labels-idx1-ubyte.xz")];
const TEST: [File; 2] = [file!("t10k-images-idx3-ubyte.xz"), file!("t10k-labels-idx1-ubyte.xz")];

fn fashion([train, test]: [usize; 2]) -> Result<(Pixels, Pixels), DataError> {
    let split = |[images, labels]: [File; 2], most: usize| {
        let (pixels, labels) = (read(images, 3)?, read(labels, 1)?);
        let labels = idx::pair(&PathBuf::from(images.0), &pixels, labels, Some(CLASSES))?;
        let n = most.min(labels.len());
        let size = CHANNELS * SIDE * SIDE;
        let Some(pixels) = pixels.values.get(..n * size) else {
            let problem = format!("its images are not {SIDE} pixels wide");
            return Err(DataError::Format { path: PathBuf::from(images.0), problem });
        };
        Ok(Pixels { pixels: pixels.to_vec(), labels: labels[..n].to_vec() })
    };
    Ok((split(TRAIN, train)?, split(TEST, test)?))
}

fn read((name, content): File, axes: usize) -> Result<Idx, DataError> {
    let failed = |source: io::Error| DataError::Read { path: PathBuf::from(name), source };
    let unpacked =
        decompressed(content).and_then(|source| read_at_most(source, 1 << 26)).map_err(failed)?;
    idx::read(&unpacked[..], axes).map_err(failed)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::dataset::content::hex;

    /// Published figures depend on these images.
    #[test]
    fn the_embedded_photographs_are_the_first_of_the_published_ones() {
        let (train, test) = fashion([usize::MAX, usize::MAX]).unwrap();
        assert_eq!((train.labels.len(), test.labels.len()), (10_000, 2_000));
        let sum = |pixels: &Pixels| {
            hex(&Sha256::digest([pixels.pixels.as_slice(), &pixels.labels].concat()))
        };
        insta::assert_snapshot!(sum(&train), @"b134f74849da1a1bcd32ee8c73b764a5657b0f25350e9ed3b4a4e8cb8505b14b");
        insta::assert_snapshot!(sum(&test), @"5e916b2e91811fe46845f5b34d536fd2cb7788e5c5bc5531b5e3b9ee89e9bad9");
        for class in 0..CLASSES as u8 {
            let of = train.labels.iter().filter(|label| **label == class).count();
            assert!((900..1100).contains(&of), "class {class}: {of}");
        }
    }

    #[test]
    fn fewer_images_are_the_first_ones() {
        let (all, _) = fashion([10_000, 0]).unwrap();
        let (few, none) = fashion([3, 0]).unwrap();
        assert_eq!(few.pixels[..], all.pixels[..3 * 784]);
        assert!(none.labels.is_empty());
    }
}
