//! The IDX format (LeCun, "The MNIST database"): a magic number with the type and the number of axes, the
//! sizes of the axes in big-endian order, then the values.

use std::path::Path;

use super::{
    content::role,
    error::DataError,
    manifest::{FileRole, Manifest},
    pixels::Pixels,
};

/// Loads the training and the test split.
pub(super) fn load(manifest: &Manifest, folder: &Path) -> Result<(Pixels, Pixels), DataError> {
    let split = |images, labels| {
        let (path, bytes) = role(manifest, images, folder)?;
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |problem| DataError::Format { path: path.clone(), problem }
        };
        let sizes = [manifest.side, manifest.side];
        let (n, pixels) = parse(&bytes, &sizes).map_err(fail(&path))?;
        let (path, bytes) = role(manifest, labels, folder)?;
        let (m, labels) = parse(&bytes, &[]).map_err(fail(&path))?;
        if n != m {
            return Err(fail(&path)(format!("it has {m} labels for {n} images")));
        }
        let classes = manifest.classes.len();
        if let Some(label) = labels.iter().find(|label| usize::from(**label) >= classes) {
            let problem = format!("it has a label {label}, expected less than {classes}");
            return Err(fail(&path)(problem));
        }
        Ok(Pixels { pixels: pixels.to_vec(), labels: labels.to_vec() })
    };
    Ok((
        split(FileRole::TrainImages, FileRole::TrainLabels)?,
        split(FileRole::TestImages, FileRole::TestLabels)?,
    ))
}

/// The number of items and their bytes. No memory is allocated for what the header claims.
fn parse<'a>(bytes: &'a [u8], item: &[usize]) -> Result<(usize, &'a [u8]), String> {
    let rank = item.len() + 1;
    let header = 4 + 4 * rank;
    let Some((head, values)) = bytes.split_at_checked(header) else {
        return Err(format!("it has {} bytes, expected a header of {header}", bytes.len()));
    };
    let magic = [0, 0, 8, rank as u8];
    if head[..4] != magic {
        return Err(format!("its magic number is {:02x?}, expected {magic:02x?}", &head[..4]));
    }
    let sizes: Vec<usize> = head[4..]
        .chunks_exact(4)
        .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
        .collect();
    if sizes[1..] != *item {
        return Err(format!("its items have the shape {:?}, expected {item:?}", &sizes[1..]));
    }
    let size: usize = item.iter().product();
    let promised = sizes[0].checked_mul(size);
    if promised != Some(values.len()) {
        return Err(format!(
            "its header claims {} items of {size} bytes, but it has {} bytes of items",
            sizes[0],
            values.len()
        ));
    }
    Ok((sizes[0], values))
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
        assert_eq!(parse(&good, &[2, 2]), Ok((2, &[7; 8][..])));
        let error = |bytes: &[u8], item: &[usize]| parse(bytes, item).unwrap_err();
        let huge = file([0, 0, 8, 3], &[u32::MAX, 2, 2], &[7; 8]);
        assert!(error(&huge, &[2, 2]).contains("claims 4294967295 items"));
        assert!(error(&good[..20], &[2, 2]).contains("has 4 bytes of items"));
        assert!(error(&good[..10], &[2, 2]).contains("expected a header of 16"));
        assert!(error(&good, &[28, 28]).contains("expected [28, 28]"));
        assert!(error(&file([0, 0, 13, 1], &[1], &[0]), &[]).contains("magic number"));
    }

    proptest! {
        #[test]
        fn no_bytes_cause_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = parse(&bytes, &[2, 2]);
            let _ = parse(&bytes, &[]);
        }
    }
}
