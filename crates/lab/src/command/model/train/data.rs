//! The data set of `wattlab model train`.

use anyhow::anyhow;
use models::{
    Collection, DataError, DataOptions, Dataset, Manifest, collection, embedded_names,
    open_dataset, vision::NetworkInfo,
};

use super::args::ImageFlags;
use crate::{
    Failure,
    data::{EMBEDDED_SEED, data_folder},
    memory, output,
};

/// Training and test images of an embedded data set without a number of images.
const EMBEDDED: [usize; 2] = [2000, 500];

/// Loads the images of `--data` for a network: a known data set as it is, or your own images with the channels
/// that the network reads, and with `side` if it is given or if they differ in size.
///
/// # Errors
///
/// If there is no such data set, a file is missing or damaged, there are fewer images, or they do not fit into
/// the memory.
pub(super) fn load(
    name: &str,
    settings: &ImageFlags,
    network: &NetworkInfo,
    side: Option<usize>,
) -> Result<Dataset, Failure> {
    let fail = |error: DataError| Failure::BadInput(anyhow!(error).context("--data"));
    let mut options = DataOptions::default();
    options.folder = data_folder(settings.data_dir.clone());
    options.train = settings.train_images;
    options.test = settings.test_images;
    // All images that are not tested on are trained on.
    options.validation_share = 0.0;
    if embedded_names().contains(&name) {
        options.train = options.train.or(Some(EMBEDDED[0]));
        options.test = options.test.or(Some(EMBEDDED[1]));
    }
    if embedded_names().contains(&name) || Manifest::named(name).is_ok() {
        return open_dataset(name, &options, settings.seed).map_err(fail);
    }
    let found = collection(name, options.folder.as_deref(), EMBEDDED_SEED).map_err(fail)?;
    // As in `model eval`: the images of a validation split are tested on, if there is no other.
    let validated = found.test.is_empty() && !found.validation.is_empty();
    if validated {
        options.validation = options.test.take();
        options.test_share = 0.0;
    }
    let files = found.train.shape().is_none();
    if files {
        options.channels = Some(network.channels);
        options.side = side;
        check_room(&found, settings, network.channels, side.unwrap_or(network.usual_side))?;
    }
    drop(found);
    let mut data = match open_dataset(name, &options, settings.seed) {
        Err(DataError::Side { .. }) if files => {
            let side = network.usual_side;
            output::line(&format!(
                "the images differ in size, and are resized and cropped to {side}×{side} pixels; `--side` chooses \
                 another size"
            ));
            options.side = Some(side);
            open_dataset(name, &options, settings.seed)
        }
        other => other,
    }
    .map_err(fail)?;
    if validated {
        data.test = std::mem::take(&mut data.validation);
    }
    Ok(data)
}

/// Checks that the images fit into the memory before they are decoded.
fn check_room(
    found: &Collection,
    settings: &ImageFlags,
    channels: usize,
    side: usize,
) -> Result<(), Failure> {
    let all = found.train.len() + found.validation.len() + found.test.len();
    let asked = match (settings.train_images, settings.test_images) {
        (Some(train), Some(test)) => train.saturating_add(test).min(all),
        _ => all,
    };
    memory::fits(asked, channels, side, memory::DATA_SET).map_err(|error| {
        Failure::BadInput(error.context("--data (`--train-images`, `--test-images` and `--side`)"))
    })
}
