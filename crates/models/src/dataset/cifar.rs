//! The binary version of CIFAR-10: records of a label byte and 3 planes of 32×32 pixels.

use std::path::Path;

use super::{
    content::read,
    error::DataError,
    manifest::{FileRole, Manifest},
    pixels::Pixels,
};

/// Loads the training and the test split. Training files are read in order until there are `wanted` images
/// or a file is missing, so that the first files suffice for fewer images.
pub(super) fn load(
    manifest: &Manifest,
    folder: &Path,
    wanted: usize,
) -> Result<(Pixels, Pixels), DataError> {
    let mut splits = [Pixels::default(), Pixels::default()];
    let mut complete = true;
    for file in &manifest.files {
        let split = usize::from(file.role == FileRole::Test);
        let have = splits[0].labels.len();
        if split == 0 && (have >= wanted || !complete) {
            continue;
        }
        let (path, bytes) = match read(manifest, file, folder) {
            Err(DataError::Missing { .. }) if split == 0 && have > 0 => {
                complete = false;
                continue;
            }
            read => read?,
        };
        let size = manifest.channels * manifest.side * manifest.side;
        append(&bytes, size, manifest.classes.len(), file.images, &mut splits[split])
            .map_err(|problem| DataError::Format { path, problem })?;
    }
    let [train, test] = splits;
    Ok((train, test))
}

/// Appends the records of a file.
fn append(
    bytes: &[u8],
    size: usize,
    classes: usize,
    images: usize,
    to: &mut Pixels,
) -> Result<(), String> {
    let record = size + 1;
    if bytes.len() != images * record {
        return Err(format!(
            "it has {} bytes, expected {images} records of {record} bytes",
            bytes.len()
        ));
    }
    for record in bytes.chunks_exact(record) {
        let (label, pixels) = (record[0], &record[1..]);
        if usize::from(label) >= classes {
            return Err(format!("it has a label {label}, expected less than {classes}"));
        }
        to.labels.push(label);
        to.pixels.extend_from_slice(pixels);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_records_and_unknown_labels_are_refused() {
        let mut to = Pixels::default();
        append(&[3, 1, 2, 4, 5, 6], 2, 10, 2, &mut to).unwrap();
        assert_eq!((to.labels.as_slice(), to.pixels.as_slice()), (&[3, 4][..], &[1, 2, 5, 6][..]));
        assert!(
            append(&[3, 1, 2, 4, 5], 2, 10, 2, &mut to).unwrap_err().contains("expected 2 records")
        );
        assert!(append(&[10, 1, 2], 2, 10, 1, &mut to).unwrap_err().contains("label 10"));
    }
}
