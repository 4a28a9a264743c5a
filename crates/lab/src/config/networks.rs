//! Tables about engines and about networks in files.

use std::path::Path;

use models::NetworkFile;
use record::{DataSpec, FactorValue, PublishedFigures, StudyNetwork};
use serde::Deserialize;
use units::limits;

use super::check::{Check, ConfigError};

/// RQ2 with a network of your own: every combination of some values of its file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnConfig {
    /// The path of the network's file; relative paths begin in the folder in which the program was started.
    pub network: String,
    /// The values that vary.
    #[serde(rename = "factor")]
    pub factors: Vec<FactorConfig>,
    /// The data sets; each one has its own factorial. The network's images and classes become theirs.
    pub data: Vec<DataSpec>,
    /// The number of optimizer settings, as of the layer factorial.
    pub settings: u32,
    /// The number of trainings of each cell and setting.
    pub repetitions: u32,
    /// The number of epochs of each training.
    pub epochs: u32,
    /// The number of images per training step.
    pub minibatch: usize,
    /// The network in TOML, once the file is read.
    #[serde(skip)]
    pub(crate) text: String,
}

/// A factor: a value of a network's file, and its levels.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorConfig {
    /// Where the value is in the file: `values.width`, `layers.3.kernel`. Layers are counted from 0.
    pub path: String,
    /// The levels.
    pub values: Vec<FactorValue>,
}

/// The same trainings with both engines.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnginesConfig {
    /// The data sets.
    pub data: Vec<DataSpec>,
    /// The study's networks.
    pub networks: Vec<StudyNetwork>,
    /// The number of pairs of each network: one training with each engine, from the same seed.
    pub repetitions: u32,
    /// The number of epochs of each training.
    pub epochs: u32,
    /// The number of images per training step.
    pub minibatch: usize,
}

/// A network in a file, as a spec needs it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadNetwork {
    /// The path.
    pub(crate) file: String,
    /// The network in TOML.
    pub(crate) text: String,
    /// Side of its images in pixels.
    pub(crate) side: usize,
    /// What the file quotes about it.
    pub(crate) published: Option<PublishedFigures>,
}

/// Whether the name of a network is a path of a network file, or that of a file that comes with the program.
pub(super) fn is_file(name: &str) -> bool {
    name.ends_with(".toml") || NetworkFile::is_built_in(name)
}

/// Reads the network file that `key` of the profile `file` names.
pub(super) fn read(file: &str, key: &str, path: &str) -> Result<ReadNetwork, ConfigError> {
    let network = NetworkFile::read(Path::new(path)).map_err(|error| ConfigError::Value {
        file: file.to_owned(),
        key: key.to_owned(),
        found: format!("`{path}`"),
        expected: format!("the path of a network file: {error}"),
    })?;
    let (side, published) = (network.side(), network.published());
    Ok(ReadNetwork { file: path.to_owned(), text: network.to_toml(), side, published })
}

/// As [`read`], for images of this side if the file quotes an accuracy: all networks with a published accuracy
/// are compared on images of one size.
pub(super) fn read_for_side(
    file: &str,
    key: &str,
    path: &str,
    side: usize,
) -> Result<ReadNetwork, ConfigError> {
    let read = read(file, key, path)?;
    if read.published.is_none() || read.side == side {
        return Ok(read);
    }
    let resized = NetworkFile::parse(&read.text, path)
        .and_then(|network| network.for_images(network.channels(), side, network.classes()));
    let resized = resized.map_err(|error| ConfigError::Value {
        file: file.to_owned(),
        key: key.to_owned(),
        found: format!("`{path}`"),
        expected: format!("a network that accepts images of {side} pixels: {error}"),
    })?;
    Ok(ReadNetwork { text: resized.to_toml(), side, ..read })
}

impl OwnConfig {
    pub(super) fn check(&self, check: &mut Check<'_>) {
        check.data("own", &self.data);
        check.not_empty("own.factor", self.factors.len());
        for (index, factor) in self.factors.iter().enumerate() {
            check.factor(&format!("own.factor[{index}].values"), &factor.values);
            if factor.path == "input"
                || factor.path.starts_with("input.")
                || factor.path == "classes"
            {
                check.fail(
                    &format!("own.factor[{index}].path"),
                    &format!("`{}`", factor.path),
                    "a value of `[values]` or of a layer: images and classes are those of the data",
                );
            }
            let earlier = self.factors[..index].iter();
            if earlier.clone().any(|earlier| earlier.path == factor.path) {
                let found = format!("`{}` again", factor.path);
                check.fail(&format!("own.factor[{index}].path"), &found, "another value");
            }
        }
        check.whole("own.settings", self.settings, limits::SETTINGS);
        check.whole("own.repetitions", self.repetitions, limits::REPETITIONS);
        check.whole("own.epochs", self.epochs, limits::EPOCHS);
        check.whole("own.minibatch", self.minibatch, limits::BATCH);
        let mut counts =
            vec![self.data.len() as u64, u64::from(self.settings), u64::from(self.repetitions)];
        counts.extend(self.factors.iter().map(|factor| factor.values.len() as u64));
        check.runs("own", &counts);
    }
}

impl EnginesConfig {
    pub(super) fn check(&self, check: &mut Check<'_>) {
        check.data("engines", &self.data);
        check.not_empty("engines.networks", self.networks.len());
        for (index, network) in self.networks.iter().enumerate() {
            let key = |name: &str| format!("engines.networks[{index}].{name}");
            check.whole(&key("conv"), network.conv, limits::LAYERS);
            check.whole(&key("linear"), network.linear, limits::LAYERS);
            if self.networks[..index].contains(network) {
                check.fail(&format!("engines.networks[{index}]"), "there twice", "other networks");
            }
        }
        check.whole("engines.repetitions", self.repetitions, limits::REPETITIONS);
        check.whole("engines.epochs", self.epochs, limits::EPOCHS);
        check.whole("engines.minibatch", self.minibatch, limits::BATCH);
        let lists = [self.data.len() as u64, self.networks.len() as u64];
        check.runs("engines", &[lists[0], lists[1], u64::from(self.repetitions), 2]);
    }
}
