//! Profiles: what to run, as a commented TOML file.

mod isolation;
mod slurm;
pub(crate) mod unknown_key;

use std::{
    fs,
    path::{Path, PathBuf},
};

pub use self::{isolation::IsolationConfig, slurm::SlurmConfig};
use record::{BatchPolicy, DataSpec, NetworkKind, SamplerKind, TuningSpace};
use serde::Deserialize;

/// The profiles that come with the program, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("quick", include_str!("../../../../configs/quick.toml")),
    ("standard", include_str!("../../../../configs/standard.toml")),
    ("paper", include_str!("../../../../configs/paper.toml")),
];

/// What to run. An absent table leaves its experiment out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Shown in the report.
    pub name: String,
    /// Every random number follows from this.
    pub seed: u64,
    /// RQ1.
    pub tuning: Option<TuningConfig>,
    /// RQ2 and RQ3.
    pub layers: Option<LayersConfig>,
    /// RQ4.
    pub batching: Option<BatchingConfig>,
    /// RQ5.
    pub timeline: Option<TimelineConfig>,
    /// How measurements are kept apart.
    #[serde(default)]
    pub isolation: IsolationConfig,
    /// How runs are spread over a Slurm cluster.
    #[serde(default)]
    pub slurm: SlurmConfig,
}

/// RQ1: search strategies.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningConfig {
    /// The images; each set makes its own studies.
    pub data: Vec<DataSpec>,
    /// The networks, in the study's default size.
    pub networks: Vec<NetworkKind>,
    /// The search spaces.
    pub spaces: Vec<TuningSpace>,
    /// The strategies.
    pub samplers: Vec<SamplerKind>,
    /// Trials of each study.
    pub trials: u32,
    /// Studies of each cell.
    pub repetitions: u32,
    /// Epochs of each training.
    pub epochs: u32,
    /// Images per step.
    pub minibatch: usize,
    /// Trials of one Bayesian search that may be under way at once. With 1, the default, trials do
    /// not depend on the number of workers; with more, those under way are taken into account, and
    /// trials depend on the order in which runs end.
    #[serde(default = "one")]
    pub parallel: usize,
}

/// The default of [`TuningConfig::parallel`].
fn one() -> usize {
    1
}

/// RQ2 and RQ3: the layer factorial.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayersConfig {
    /// The images; each set makes its own factorial.
    pub data: Vec<DataSpec>,
    /// Levels of the factor "convolution blocks".
    pub conv: Vec<u32>,
    /// Levels of the factor "linear layers".
    pub linear: Vec<u32>,
    /// Levels of the factor "ReLU".
    pub relu: Vec<bool>,
    /// Settings of the optimizer, the same ones in each cell; the first is Adam's default.
    pub settings: u32,
    /// Trainings of each cell and setting.
    pub repetitions: u32,
    /// Epochs of each training.
    pub epochs: u32,
    /// Images per step.
    pub minibatch: usize,
}

/// RQ4: batching at inference.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchingConfig {
    /// The networks, by torchvision's names.
    pub networks: Vec<String>,
    /// Side of the square images, in pixels.
    pub image_side: usize,
    /// Mean arrival rates.
    pub rates_per_s: Vec<f64>,
    /// Half-width of the uniform factor on the time between arrivals; the study's is 0.2.
    pub jitter: f64,
    /// Requests of each run.
    pub requests: usize,
    /// Batching policies.
    pub policies: Vec<BatchPolicy>,
    /// Batches served before the clock starts.
    pub warmup_batches: u32,
    /// Runs of each cell.
    pub repetitions: u32,
    /// A folder of photographs, below that of data sets (`--data-dir`), that requests ask for in
    /// turns, reading and decoding being a part of the service, as in the study. Random images that
    /// lie ready in memory if left out.
    pub photographs: Option<String>,
}

/// RQ5: a decade of vision networks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineConfig {
    /// The networks, by torchvision's names.
    pub networks: Vec<String>,
    /// Side of the square images, in pixels.
    pub image_side: usize,
    /// Images per batch.
    pub batch: usize,
    /// Batches that are measured.
    pub batches: u32,
    /// Batches before that.
    pub warmup_batches: u32,
    /// Runs of each network.
    pub repetitions: u32,
}

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Neither a built-in name nor a file.
    #[error("no profile `{given}`: it is neither a file nor one of {}{}", built_in_names(), did_you_mean(nearest.as_deref()))]
    NoProfile {
        /// As given.
        given: String,
        /// The nearest built-in name.
        nearest: Option<String>,
    },
    /// The file cannot be read.
    #[error("failed to read profile `{}`; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// Not TOML, or not a profile.
    #[error("profile `{file}` is not valid: {message}{}", did_you_mean(nearest.as_deref()))]
    Parse {
        /// The file.
        file: String,
        /// The parser's message, with line and column.
        message: String,
        /// The nearest valid key, for an unknown one.
        nearest: Option<String>,
    },
    /// A value that cannot be run.
    #[error("profile `{file}`: key `{key}` is {found}, expected {expected}")]
    Value {
        /// The file.
        file: String,
        /// Path of the key.
        key: String,
        /// As found.
        found: String,
        /// What it must be.
        expected: String,
    },
}

fn built_in_names() -> String {
    BUILT_IN.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |it| format!("; did you mean `{it}`?"))
}

impl Profile {
    /// Loads a built-in profile by its name, or a file by its path.
    ///
    /// # Errors
    ///
    /// If there is no such profile, or it is not valid.
    pub fn load(given: &str) -> Result<Self, ConfigError> {
        if let Some((name, text)) = BUILT_IN.iter().find(|(name, _)| *name == given) {
            return Self::parse(&format!("{name}.toml"), text);
        }
        let path = Path::new(given);
        if !path.exists() {
            let nearest = unknown_key::nearest(given, BUILT_IN.iter().map(|(name, _)| *name));
            return Err(ConfigError::NoProfile { given: given.to_owned(), nearest });
        }
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(given, &text)
    }

    /// Reads a profile from its text; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// If it is not valid.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let profile: Self = toml::from_str(text).map_err(|error| {
            let message = error.to_string().trim_end().to_owned();
            ConfigError::Parse {
                file: file.to_owned(),
                nearest: unknown_key::suggestion(error.message()),
                message,
            }
        })?;
        profile.check(file)?;
        Ok(profile)
    }

    /// Trains on that data set in place of the profile's, with the sizes of the first of them.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub fn use_data(&mut self, name: &str) -> Result<(), ConfigError> {
        let replace = |sets: &mut Vec<DataSpec>| {
            sets.truncate(1);
            sets.iter_mut().for_each(|it| name.clone_into(&mut it.name));
        };
        self.tuning.iter_mut().for_each(|it| replace(&mut it.data));
        self.layers.iter_mut().for_each(|it| replace(&mut it.data));
        self.check("--dataset")
    }

    fn check(&self, file: &str) -> Result<(), ConfigError> {
        let mut check = Check { file, error: None };
        if let Some(it) = &self.tuning {
            check.data("tuning", &it.data);
            check.some("tuning.networks", it.networks.len());
            check.some("tuning.spaces", it.spaces.len());
            check.some("tuning.samplers", it.samplers.len());
            check.positive("tuning.trials", u64::from(it.trials));
            check.positive("tuning.repetitions", u64::from(it.repetitions));
            check.positive("tuning.epochs", u64::from(it.epochs));
            check.positive("tuning.minibatch", it.minibatch as u64);
            check.positive("tuning.parallel", it.parallel as u64);
            for (index, data) in it.data.iter().enumerate() {
                if data.validation == 0 {
                    check.fail(
                        &format!("tuning.data[{index}].validation"),
                        "0",
                        "at least 1: strategies choose by validation accuracy",
                    );
                }
            }
        }
        if let Some(it) = &self.layers {
            check.data("layers", &it.data);
            check.factor("layers.conv", &it.conv);
            check.factor("layers.linear", &it.linear);
            check.factor("layers.relu", &it.relu);
            if let Some(0) = it.linear.iter().min() {
                check.fail("layers.linear", "0", "levels of at least 1 (the classifier)");
            }
            check.positive("layers.settings", u64::from(it.settings));
            check.positive("layers.repetitions", u64::from(it.repetitions));
            check.positive("layers.epochs", u64::from(it.epochs));
            check.positive("layers.minibatch", it.minibatch as u64);
        }
        if let Some(it) = &self.batching {
            check.networks("batching.networks", &it.networks);
            check.positive("batching.image_side", it.image_side as u64);
            check.some("batching.rates_per_s", it.rates_per_s.len());
            for rate in &it.rates_per_s {
                if !(rate.is_finite() && *rate > 0.0) {
                    check.fail("batching.rates_per_s", &rate.to_string(), "rates above 0");
                }
            }
            if !(0.0..=1.0).contains(&it.jitter) {
                check.fail("batching.jitter", &it.jitter.to_string(), "a number from 0 to 1");
            }
            check.positive("batching.requests", it.requests as u64);
            check.some("batching.policies", it.policies.len());
            for policy in &it.policies {
                let (BatchPolicy::Fixed(size) | BatchPolicy::Greedy(size)) = policy;
                check.positive("batching.policies (batch size)", *size as u64);
            }
            check.positive("batching.repetitions", u64::from(it.repetitions));
            if let Some(name) = it.photographs.as_ref().filter(|it| !is_folder_name(it)) {
                check.fail(
                    "batching.photographs",
                    &format!("`{name}`"),
                    "the name of a folder below that of the data sets, without `..`",
                );
            }
        }
        if let Some(it) = &self.timeline {
            check.networks("timeline.networks", &it.networks);
            check.positive("timeline.image_side", it.image_side as u64);
            check.positive("timeline.batch", it.batch as u64);
            check.positive("timeline.batches", u64::from(it.batches));
            check.positive("timeline.repetitions", u64::from(it.repetitions));
        }
        self.isolation.check(&mut check);
        self.slurm.check(&mut check);
        check.error.map_or(Ok(()), Err)
    }
}

/// Whether it stays below the folder it is in.
fn is_folder_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|it| matches!(it, std::path::Component::Normal(_)))
}

/// Collects the first thing that is wrong.
struct Check<'a> {
    file: &'a str,
    error: Option<ConfigError>,
}

impl Check<'_> {
    fn fail(&mut self, key: &str, found: &str, expected: &str) {
        self.error.get_or_insert(ConfigError::Value {
            file: self.file.to_owned(),
            key: key.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        });
    }

    fn positive(&mut self, key: &str, value: u64) {
        if value == 0 {
            self.fail(key, "0", "at least 1");
        }
    }

    fn some(&mut self, key: &str, len: usize) {
        if len == 0 {
            self.fail(key, "empty", "at least one entry");
        }
    }

    fn factor<T: PartialEq + std::fmt::Debug>(&mut self, key: &str, levels: &[T]) {
        let distinct = levels.iter().enumerate().all(|(at, it)| !levels[..at].contains(it));
        if levels.len() < 2 || !distinct {
            self.fail(key, &format!("{levels:?}"), "at least two different levels");
        }
    }

    fn data(&mut self, table: &str, sets: &[DataSpec]) {
        self.some(&format!("{table}.data"), sets.len());
        for (index, data) in sets.iter().enumerate() {
            self.positive(&format!("{table}.data[{index}].train"), data.train as u64);
            self.positive(&format!("{table}.data[{index}].test"), data.test as u64);
            let known = crate::data::names();
            if !known.contains(&data.name) {
                let nearest = unknown_key::nearest(&data.name, known.iter().map(String::as_str));
                self.fail(
                    &format!("{table}.data[{index}].name"),
                    &format!("`{}`", data.name),
                    &format!("one of {}{}", known.join(", "), did_you_mean(nearest.as_deref())),
                );
            }
        }
    }

    fn networks(&mut self, key: &str, names: &[String]) {
        self.some(key, names.len());
        let known: Vec<&str> = models::vision::architectures().iter().map(|it| it.name).collect();
        for name in names {
            if !known.contains(&name.as_str()) {
                let nearest = unknown_key::nearest(name, known.iter().copied());
                self.fail(
                    key,
                    &format!("`{name}`"),
                    &format!("one of {}{}", known.join(", "), did_you_mean(nearest.as_deref())),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
