//! The data set of `wattlab model train`.

use std::path::PathBuf;

use anyhow::anyhow;
use models::{Dataset, FileRole, Manifest, embedded_names, load_dataset};
use record::DataSpec;

use crate::{Failure, data::default_folder};

/// Images of an embedded data set without a number of images.
const EMBEDDED: [usize; 2] = [2000, 500];

/// The seed of the embedded data sets, which is a part of their definition.
const EMBEDDED_SEED: u64 = 1;

/// Loads `[train, test]` images of a data set; `None` stands for all that it has.
///
/// # Errors
///
/// If there is no such data set, a file is missing or damaged, or there are fewer images.
pub(super) fn load(
    name: &str,
    folder: Option<&PathBuf>,
    [train, test]: [Option<usize>; 2],
) -> Result<Dataset, Failure> {
    let context = |error: anyhow::Error| Failure::BadInput(error.context("--data"));
    let [all, all_tests] = if embedded_names().contains(&name) {
        EMBEDDED
    } else {
        let manifest = Manifest::named(name).map_err(|error| context(anyhow!(error)))?;
        let count = |roles: [FileRole; 2]| {
            let files = manifest.files.iter().filter(|file| roles.contains(&file.role));
            files.map(|file| file.images).sum()
        };
        [
            count([FileRole::TrainImages, FileRole::Train]),
            count([FileRole::TestImages, FileRole::Test]),
        ]
    };
    let spec = DataSpec {
        name: name.to_owned(),
        train: train.unwrap_or(all),
        validation: 0,
        test: test.unwrap_or(all_tests),
    };
    let folder = folder.cloned().or_else(|| default_folder().filter(|path| path.is_dir()));
    load_dataset(&spec, folder.as_deref(), EMBEDDED_SEED).map_err(|error| context(anyhow!(error)))
}
