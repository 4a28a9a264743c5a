//! The table about trained networks whose accuracy is measured.

use models::image_shape;
use record::{InferencePrecision, WeightsFile};
use serde::Deserialize;
use units::limits::{self, Limit};

use super::{
    check::{Check, ConfigError},
    networks::{ReadNetwork, is_file, read},
};
use crate::data::{is_below, names};

/// The years in which an architecture can have been published.
const YEARS: Limit<u64> = Limit::whole("year", "", 1943, 9999);

/// RQ5 with accuracy that is measured here: every trained network answers the same labeled images.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccuracyConfig {
    /// The networks with their weights.
    #[serde(rename = "network")]
    pub networks: Vec<TrainedConfig>,
    /// The data set.
    pub data: String,
    /// The number of images: the first ones of the test split.
    pub images: usize,
    /// The number of images per batch; the last batch may be smaller.
    pub batch: usize,
    /// The number of batches before the measurement begins.
    pub warmup_batches: u32,
    /// The number of runs of each network.
    pub repetitions: u32,
    /// The number that is subtracted from each channel, whose values are in [0, 1]: one for each channel, or one
    /// for all. By default nothing is subtracted.
    #[serde(default)]
    pub mean: Vec<f64>,
    /// The number that each channel is divided by after that. By default nothing is divided.
    #[serde(default)]
    pub deviation: Vec<f64>,
    /// The numbers that networks compute with: `float32`, `int8` or both.
    #[serde(default = "super::float32")]
    pub precision: Vec<InferencePrecision>,
}

/// A trained network.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainedConfig {
    /// torchvision's name, or the path of a network file (`.toml`).
    pub network: String,
    /// The file of its weights, below the folder of data sets (`--data-dir`), and the file's SHA-256.
    pub weights: WeightsFile,
    /// The year in which the architecture was published.
    pub year: Option<u16>,
    /// The network in its file, once read.
    #[serde(skip)]
    pub(crate) read: Option<ReadNetwork>,
}

impl AccuracyConfig {
    pub(super) fn check(&self, check: &mut Check<'_>) {
        check.known("accuracy.data", &self.data, &names());
        check.not_empty("accuracy.network", self.networks.len());
        for (index, trained) in self.networks.iter().enumerate() {
            let key = |name: &str| format!("accuracy.network[{index}].{name}");
            if !is_file(&trained.network) {
                check.networks(&key("network"), std::slice::from_ref(&trained.network));
            }
            check_weights(check, &key, &trained.weights);
            if let Some(year) = trained.year {
                check.whole(&key("year"), u64::from(year), YEARS);
            }
            let same = |other: &TrainedConfig| {
                (&other.network, &other.weights) == (&trained.network, &trained.weights)
            };
            if self.networks[..index].iter().any(same) {
                check.fail(&key("network"), "there twice with these weights", "other weights");
            }
        }
        check.whole("accuracy.images", self.images, limits::IMAGES);
        check.whole("accuracy.batch", self.batch, limits::BATCH);
        check.whole("accuracy.warmup_batches", self.warmup_batches, limits::WARMUP);
        check.whole("accuracy.repetitions", self.repetitions, limits::REPETITIONS);
        let channels = image_shape(&self.data).map_or(1, |[channels, _]| channels);
        for (key, values) in
            [("accuracy.mean", &self.mean), ("accuracy.deviation", &self.deviation)]
        {
            if ![0, 1, channels].contains(&values.len()) {
                let expected =
                    format!("1 value, or {channels}: one for each channel of the images");
                check.fail(key, &format!("{} values", values.len()), &expected);
            }
        }
        for value in &self.mean {
            check.real("accuracy.mean", *value, limits::COEFFICIENT);
        }
        for value in &self.deviation {
            check.real("accuracy.deviation", *value, limits::COEFFICIENT);
            if *value == 0.0 {
                check.fail("accuracy.deviation", "0", "a number that can be divided by");
            }
        }
        let named = self.networks.iter().map(|trained| &trained.network);
        let named: Vec<String> = named.filter(|name| !is_file(name)).cloned().collect();
        check.precision("accuracy", &self.precision, &named);
        let (networks, precisions) = (self.networks.len() as u64, self.precision.len() as u64);
        check.runs("accuracy", &[networks, precisions, u64::from(self.repetitions)]);
    }

    /// Reads the files of networks.
    pub(super) fn read_networks(&mut self, file: &str) -> Result<(), ConfigError> {
        for (index, trained) in self.networks.iter_mut().enumerate() {
            if is_file(&trained.network) {
                let key = format!("accuracy.network[{index}].network");
                trained.read = Some(read(file, &key, &trained.network)?);
            }
        }
        Ok(())
    }
}

fn check_weights(check: &mut Check<'_>, key: &dyn Fn(&str) -> String, weights: &WeightsFile) {
    if !is_below(&weights.file) {
        let expected = "the path of a file below the folder of data sets, without `..`";
        check.fail(&key("weights.file"), &format!("`{}`", weights.file), expected);
    }
    let digits = |text: &str| {
        text.len() == 64
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    if !digits(&weights.sha256) {
        let expected = "the 64 lowercase hexadecimal digits that `sha256sum FILE` prints";
        check.fail(&key("weights.sha256"), &format!("`{}`", weights.sha256), expected);
    }
}
