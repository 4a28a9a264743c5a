//! The IDX format (LeCun, "The MNIST database"): a magic number with the type and the number of axes, the
//! sizes of the axes in big-endian order, then the values.

use std::{
    io::{self, Read},
    path::Path,
};

use super::{
    content,
    error::DataError,
    manifest::{FileRole, Manifest},
    pixels::Pixels,
};
use units::read_at_most;

/// Bytes of values that one file may have.
const MOST_BYTES: usize = 1 << 31;

/// Unsigned bytes with the sizes of their axes; the first axis counts the items.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Idx {
    pub(super) sizes: Vec<usize>,
    pub(super) values: Vec<u8>,
}

/// Loads the training and the test split of a data set with a manifest.
pub(super) fn load(manifest: &Manifest, folder: &Path) -> Result<(Pixels, Pixels), DataError> {
    let item = [manifest.side, manifest.side];
    let split = |images, labels| {
        let (_, pixels) = role(manifest, images, folder, &item)?;
        let (path, labels) = role(manifest, labels, folder, &[])?;
        pair(&path, &pixels, labels, Some(manifest.classes.len()))
            .map(|labels| Pixels { pixels: pixels.values, labels })
    };
    Ok((
        split(FileRole::TrainImages, FileRole::TrainLabels)?,
        split(FileRole::TestImages, FileRole::TestLabels)?,
    ))
}

/// The file of a role, whose items have the shape `item`.
fn role(
    manifest: &Manifest,
    role: FileRole,
    folder: &Path,
    item: &[usize],
) -> Result<(std::path::PathBuf, Idx), DataError> {
    let file =
        manifest.files.iter().find(|file| file.role == role).ok_or_else(|| DataError::Missing {
            name: manifest.name.clone(),
            file: format!("{role:?}"),
            folder: folder.to_owned(),
        })?;
    let (path, bytes) = content::read(manifest, file, folder)?;
    let read = read(&bytes[..], item.len() + 1);
    let idx = read.map_err(|source| DataError::Read { path: path.clone(), source })?;
    if idx.sizes[1..] != *item {
        let found = &idx.sizes[1..];
        let problem = format!("its items have the shape {found:?}, expected {item:?}");
        return Err(DataError::Format { path, problem });
    }
    Ok((path, idx))
}

/// The labels of some images, one for each; below `classes` if that is known.
pub(super) fn pair(
    path: &Path,
    images: &Idx,
    labels: Idx,
    classes: Option<usize>,
) -> Result<Vec<u8>, DataError> {
    let fail = |problem| DataError::Format { path: path.to_owned(), problem };
    let (n, m) = (images.sizes[0], labels.sizes[0]);
    if n != m {
        return Err(fail(format!("it has {m} labels for {n} images")));
    }
    if let Some(classes) = classes
        && let Some(label) = labels.values.iter().find(|label| usize::from(**label) >= classes)
    {
        return Err(fail(format!("it has a label {label}, expected less than {classes}")));
    }
    Ok(labels.values)
}

/// Reads a file of unsigned bytes with that number of axes. No memory is allocated for what the header
/// claims, and reading stops one byte after the last expected one.
pub(super) fn read(mut source: impl Read, axes: usize) -> io::Result<Idx> {
    let mut header = vec![0; 4 + 4 * axes];
    source.read_exact(&mut header).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::other(format!("it ends within its header of {} bytes", header.len()))
        }
        _ => error,
    })?;
    let magic = [0, 0, 8, axes as u8];
    if header[..4] != magic {
        let found = &header[..4];
        let text = format!("its magic number is {found:02x?}, expected {magic:02x?}");
        return Err(io::Error::other(text));
    }
    let sizes: Vec<usize> = header[4..]
        .as_chunks::<4>()
        .0
        .iter()
        .map(|bytes| u32::from_be_bytes(*bytes) as usize)
        .collect();
    let promised = sizes.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    let promised = promised.filter(|bytes| *bytes <= MOST_BYTES).ok_or_else(|| {
        io::Error::other(format!(
            "its header claims the sizes {sizes:?}, more than {MOST_BYTES} bytes"
        ))
    })?;
    let values = read_at_most(source, promised as u64)?;
    if values.len() != promised {
        return Err(io::Error::other(format!(
            "its header claims the sizes {sizes:?}, {promised} bytes, but {} bytes follow",
            values.len()
        )));
    }
    Ok(Idx { sizes, values })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(magic: [u8; 4], sizes: &[u32], values: &[u8]) -> Vec<u8> {
        let mut bytes = magic.to_vec();
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(values);
        bytes
    }

    #[test]
    fn a_header_that_does_not_match_the_file_is_refused() {
        let good = file([0, 0, 8, 3], &[2, 2, 2], &[7; 8]);
        let expected = Idx { sizes: vec![2, 2, 2], values: vec![7; 8] };
        assert_eq!(read(&good[..], 3).unwrap(), expected);
        let error = |bytes: &[u8], axes: usize| read(bytes, axes).unwrap_err().to_string();
        let huge = file([0, 0, 8, 3], &[u32::MAX, 2, 2], &[7; 8]);
        assert!(error(&huge, 3).contains("claims the sizes [4294967295, 2, 2]"));
        let over = file([0, 0, 8, 3], &[u32::MAX, u32::MAX, u32::MAX], &[7; 8]);
        assert!(error(&over, 3).contains("more than 2147483648 bytes"));
        assert!(error(&good[..20], 3).contains("but 4 bytes follow"));
        assert!(error(&good[..10], 3).contains("header of 16"));
        let long = [&good[..], &[1]].concat();
        assert!(error(&long, 3).contains("more than 8 bytes"));
        assert!(error(&file([0, 0, 13, 1], &[1], &[0]), 1).contains("magic number"));
    }

    #[test]
    fn labels_must_fit_images_and_classes() {
        let images = Idx { sizes: vec![2, 1, 1], values: vec![0; 2] };
        let labels = |values: &[u8]| Idx { sizes: vec![values.len()], values: values.to_vec() };
        let path = Path::new("labels");
        assert_eq!(pair(path, &images, labels(&[3, 9]), Some(10)).unwrap(), [3, 9]);
        let error = pair(path, &images, labels(&[3]), None).unwrap_err().to_string();
        assert!(error.contains("1 labels for 2 images"), "{error}");
        let error = pair(path, &images, labels(&[3, 10]), Some(10)).unwrap_err().to_string();
        assert!(error.contains("label 10, expected less than 10"), "{error}");
    }

    proptest! {
        #[test]
        fn mutated_files_cause_no_panic(
            sizes in prop::array::uniform3(0_u32..5),
            changes in prop::collection::vec((0_usize..200, any::<u8>()), 0..4),
            cut in 0_usize..200,
        ) {
            let values = vec![5; sizes.iter().product::<u32>() as usize];
            let mut bytes = file([0, 0, 8, 3], &sizes, &values);
            for (at, byte) in changes {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            bytes.truncate(cut);
            if let Ok(idx) = read(&bytes[..], 3) {
                prop_assert_eq!(idx.values.len(), idx.sizes.iter().product::<usize>());
            }
            drop(read(&bytes[..], 1));
        }
    }
}
