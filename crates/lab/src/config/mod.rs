//! Profiles: what to run, as a commented TOML file.

mod accuracy;
mod check;
mod isolation;
mod networks;
mod slurm;
pub(crate) mod unknown_key;

use std::path::Path;

use self::check::Check;
pub use self::{
    accuracy::{AccuracyConfig, TrainedConfig},
    check::ConfigError,
    isolation::IsolationConfig,
    networks::{EnginesConfig, FactorConfig, OwnConfig},
    slurm::SlurmConfig,
};
use record::{
    BatchPolicy, DataSpec, Engine, Experiment, InferencePrecision, NetworkKind, SamplerKind,
    TuningSpace,
};
use serde::Deserialize;
use units::{limits, read_text};

use crate::{
    budget::{StudyBudget, looks},
    data::is_below,
};

/// The profiles that come with the program, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("quick", include_str!("../../profiles/quick.toml")),
    ("standard", include_str!("../../profiles/standard.toml")),
    ("paper", include_str!("../../profiles/paper.toml")),
];

/// What to run. A table that is absent leaves its experiment out.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The name shown in the report.
    pub name: String,
    /// The seed from which every random number follows.
    pub seed: u64,
    /// How much the runs may use. With a budget, the repetitions are the most that there may be: the study ends when
    /// its verdicts are decided, or the budget is used. Without one, every run is done.
    pub budget: Option<StudyBudget>,
    /// What computes the trainings of RQ1, RQ2 and RQ3.
    #[serde(default)]
    pub engine: Engine,
    /// RQ1: search strategies for hyper-parameters.
    pub tuning: Option<TuningConfig>,
    /// RQ2 and RQ3: layers and complexity.
    pub layers: Option<LayersConfig>,
    /// RQ2 with a network of your own.
    pub own: Option<OwnConfig>,
    /// The same trainings with both engines.
    pub engines: Option<EnginesConfig>,
    /// RQ4: batching at inference.
    pub batching: Option<BatchingExperimentConfig>,
    /// RQ5: a decade of vision networks.
    pub timeline: Option<TimelineConfig>,
    /// RQ5 with accuracy that is measured here: trained networks on labeled images.
    pub accuracy: Option<AccuracyConfig>,
    /// How measurements are kept apart from each other and from other processes.
    #[serde(default)]
    pub isolation: IsolationConfig,
    /// How jobs are submitted to a Slurm cluster.
    #[serde(default)]
    pub slurm: SlurmConfig,
}

/// RQ1: search strategies for hyper-parameters.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TuningConfig {
    /// The data sets; each one has its own searches.
    pub data: Vec<DataSpec>,
    /// The networks, in the study's default size.
    pub networks: Vec<NetworkKind>,
    /// The search spaces.
    pub spaces: Vec<TuningSpace>,
    /// The search strategies.
    pub samplers: Vec<SamplerKind>,
    /// The number of trials of each search.
    pub trials: u32,
    /// The number of searches of each combination of data, network, space and strategy.
    pub repetitions: u32,
    /// The number of epochs of each training.
    pub epochs: u32,
    /// The number of images per training step.
    pub minibatch: usize,
    /// How many trials of one Bayesian search may be under way at once. With 1, the default, trials
    /// do not depend on the number of workers. With more, a search takes the trials under way into
    /// account, and its trials depend on the order in which runs end.
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
    /// The data sets; each one has its own factorial.
    pub data: Vec<DataSpec>,
    /// The levels of the factor "convolution blocks".
    pub conv: Vec<u32>,
    /// The levels of the factor "linear layers".
    pub linear: Vec<u32>,
    /// The levels of the factor "ReLU".
    pub relu: Vec<bool>,
    /// The number of optimizer settings, the same ones in each cell; the first is Adam's default.
    pub settings: u32,
    /// The number of trainings of each cell and setting.
    pub repetitions: u32,
    /// The number of epochs of each training.
    pub epochs: u32,
    /// The number of images per training step.
    pub minibatch: usize,
}

/// RQ4: batching at inference.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchingExperimentConfig {
    /// The networks, under torchvision's names.
    pub networks: Vec<String>,
    /// The side of the square images, in pixels.
    pub image_side: usize,
    /// The mean arrival rates, in requests per second.
    pub rates_per_s: Vec<f64>,
    /// Half the width of the uniform factor on the time between arrivals, from 0 to 1; the study
    /// used 0.2.
    pub jitter: f64,
    /// The number of requests of each run.
    pub requests: usize,
    /// The batching policies.
    pub policies: Vec<BatchPolicy>,
    /// The number of batches that are served before the measurement begins.
    pub warmup_batches: u32,
    /// The number of runs of each combination of network, rate and policy.
    pub repetitions: u32,
    /// A folder of photographs below the folder of data sets (`--data-dir`). Requests ask for the
    /// photographs in turn, and reading and decoding are part of the service, as in the study.
    /// `None`: random images that are ready in memory.
    pub photographs: Option<String>,
    /// The numbers that networks compute with: `float32`, `int8` or both. int8 needs networks of convolutions, pools,
    /// ReLU and additions.
    #[serde(default = "float32")]
    pub precision: Vec<InferencePrecision>,
}

/// RQ5: a decade of vision networks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimelineConfig {
    /// The networks: names of `wattlab model list`, or paths of network files (`.toml`).
    pub networks: Vec<String>,
    /// The networks in files that `networks` names, once read.
    #[serde(skip)]
    pub(crate) files: Vec<networks::ReadNetwork>,
    /// The side of the square images, in pixels. Networks in files have the side of their file, unless it quotes
    /// an accuracy.
    pub image_side: usize,
    /// The number of images per batch.
    pub batch: usize,
    /// The number of batches that are measured.
    pub batches: u32,
    /// The number of batches before the measurement begins.
    pub warmup_batches: u32,
    /// The number of runs of each network.
    pub repetitions: u32,
    /// The numbers that networks compute with: `float32`, `int8` or both. int8 needs networks of convolutions, pools,
    /// ReLU and additions.
    #[serde(default = "float32")]
    pub precision: Vec<InferencePrecision>,
}

/// Single precision alone.
fn float32() -> Vec<InferencePrecision> {
    vec![InferencePrecision::Float32]
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
            let known = BUILT_IN.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
            let known = known.join(", ");
            return Err(ConfigError::NoProfile { given: given.to_owned(), known, nearest });
        }
        let text = read_text(path, limits::CONFIG_BYTES.max())
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(given, &text)
    }

    /// The profile of tests: generated images, and every run is done.
    #[cfg(test)]
    pub(crate) fn shapes() -> Self {
        Self::parse("shapes.toml", include_str!("../../profiles/shapes.toml"))
            .expect("a valid profile")
    }

    /// Reads a profile from its text; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// If it is not valid.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let mut profile: Self = toml::from_str(text).map_err(|error| {
            let message = error.to_string().trim_end().to_owned();
            ConfigError::Parse {
                file: file.to_owned(),
                nearest: unknown_key::suggestion(error.message()),
                message,
            }
        })?;
        profile.check(file)?;
        profile.read_networks(file)?;
        Ok(profile)
    }

    /// After how many repetitions an experiment looks at its verdicts, if the study has a budget; empty if no claim
    /// is about it.
    pub(crate) fn looks(&self, experiment: Experiment) -> Vec<u32> {
        // A block of RQ1 is a repetition of one network on one data set, so that few repetitions have many blocks.
        let (repetitions, fewest) = match experiment {
            Experiment::Tuning => (self.tuning.as_ref().map(|table| table.repetitions), 2),
            Experiment::Layers => {
                let own = self.own.as_ref().map(|table| table.repetitions);
                (self.layers.as_ref().map(|table| table.repetitions).or(own), 3)
            }
            Experiment::Batching => (self.batching.as_ref().map(|table| table.repetitions), 3),
            Experiment::Timeline => (self.timeline.as_ref().map(|table| table.repetitions), 3),
            Experiment::Accuracy | Experiment::Engines => (None, 0),
        };
        repetitions.map_or_else(Vec::new, |repetitions| looks(repetitions, fewest))
    }

    /// The same profile with another number of repetitions of one experiment.
    pub(crate) fn with_repetitions(&self, experiment: Experiment, repetitions: u32) -> Self {
        let mut profile = self.clone();
        match experiment {
            Experiment::Tuning => {
                profile.tuning.iter_mut().for_each(|table| table.repetitions = repetitions);
            }
            Experiment::Layers => {
                profile.layers.iter_mut().for_each(|table| table.repetitions = repetitions);
                profile.own.iter_mut().for_each(|table| table.repetitions = repetitions);
            }
            Experiment::Batching => {
                profile.batching.iter_mut().for_each(|table| table.repetitions = repetitions);
            }
            Experiment::Timeline => {
                profile.timeline.iter_mut().for_each(|table| table.repetitions = repetitions);
            }
            Experiment::Accuracy | Experiment::Engines => {}
        }
        profile
    }

    /// Replaces the profile's data sets by the one of this name, with the sizes of the profile's
    /// first data set.
    ///
    /// # Errors
    ///
    /// If there is no data set of this name.
    pub(crate) fn use_data(&mut self, name: &str) -> Result<(), ConfigError> {
        let known = crate::data::names();
        if !known.iter().any(|known| known == name) {
            let nearest = unknown_key::nearest(name, known.iter().map(String::as_str));
            let (given, known) = (name.to_owned(), known.join(", "));
            return Err(ConfigError::DataSet { given, known, nearest });
        }
        let replace = |sets: &mut Vec<DataSpec>| {
            sets.truncate(1);
            sets.iter_mut().for_each(|data| name.clone_into(&mut data.name));
        };
        self.tuning.iter_mut().for_each(|tuning| replace(&mut tuning.data));
        self.layers.iter_mut().for_each(|layers| replace(&mut layers.data));
        self.own.iter_mut().for_each(|own| replace(&mut own.data));
        self.engines.iter_mut().for_each(|engines| replace(&mut engines.data));
        self.check("--dataset")
    }

    /// Reads the files of networks, so that specs hold everything that another machine needs.
    fn read_networks(&mut self, file: &str) -> Result<(), ConfigError> {
        if let Some(own) = &mut self.own {
            own.text = networks::read(file, "own.network", &own.network)?.text;
        }
        if let Some(timeline) = &mut self.timeline {
            for path in timeline.networks.iter().filter(|name| networks::is_file(name)) {
                let side = timeline.image_side;
                timeline.files.push(networks::read_for_side(
                    file,
                    "timeline.networks",
                    path,
                    side,
                )?);
            }
        }
        if let Some(accuracy) = &mut self.accuracy {
            accuracy.read_networks(file)?;
        }
        Ok(())
    }

    fn check(&self, file: &str) -> Result<(), ConfigError> {
        let mut check = Check::of(file);
        if let Some(tuning) = &self.tuning {
            tuning.check(&mut check);
        }
        if let Some(layers) = &self.layers {
            layers.check(&mut check);
        }
        if let Some(own) = &self.own {
            own.check(&mut check);
        }
        if let Some(engines) = &self.engines {
            engines.check(&mut check);
        }
        if let Some(batching) = &self.batching {
            batching.check(&mut check);
        }
        if let Some(timeline) = &self.timeline {
            timeline.check(&mut check);
        }
        if let Some(accuracy) = &self.accuracy {
            accuracy.check(&mut check);
        }
        self.isolation.check(&mut check);
        self.slurm.check(&mut check);
        check.end()
    }
}

impl TuningConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.data("tuning", &self.data);
        check.not_empty("tuning.networks", self.networks.len());
        check.not_empty("tuning.spaces", self.spaces.len());
        check.not_empty("tuning.samplers", self.samplers.len());
        check.whole("tuning.trials", self.trials, limits::TRIALS);
        check.whole("tuning.repetitions", self.repetitions, limits::REPETITIONS);
        check.whole("tuning.epochs", self.epochs, limits::EPOCHS);
        check.whole("tuning.minibatch", self.minibatch, limits::BATCH);
        check.whole("tuning.parallel", self.parallel, limits::TRIALS);
        for (index, data) in self.data.iter().enumerate() {
            if data.validation == 0 {
                check.fail(
                    &format!("tuning.data[{index}].validation"),
                    "0",
                    "at least 1: searches compare trials by their validation accuracy",
                );
            }
        }
        let lists = [self.data.len(), self.networks.len(), self.spaces.len(), self.samplers.len()];
        let [data, networks, spaces, samplers] = lists.map(|length| length as u64);
        let (trials, repetitions) = (u64::from(self.trials), u64::from(self.repetitions));
        check.runs("tuning", &[data, networks, spaces, samplers, trials, repetitions]);
    }
}

impl LayersConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.data("layers", &self.data);
        check.factor("layers.conv", &self.conv);
        check.factor("layers.linear", &self.linear);
        check.factor("layers.relu", &self.relu);
        for (key, levels) in [("layers.conv", &self.conv), ("layers.linear", &self.linear)] {
            levels.iter().for_each(|level| check.whole(key, *level, limits::LAYERS));
        }
        if let Some(0) = self.linear.iter().min() {
            check.fail("layers.linear", "0", "levels of at least 1 (the classifier)");
        }
        check.whole("layers.settings", self.settings, limits::SETTINGS);
        check.whole("layers.repetitions", self.repetitions, limits::REPETITIONS);
        check.whole("layers.epochs", self.epochs, limits::EPOCHS);
        check.whole("layers.minibatch", self.minibatch, limits::BATCH);
        let lists = [self.data.len(), self.conv.len(), self.linear.len(), self.relu.len()];
        let [data, conv, linear, relu] = lists.map(|length| length as u64);
        let (settings, repetitions) = (u64::from(self.settings), u64::from(self.repetitions));
        check.runs("layers", &[data, conv, linear, relu, settings, repetitions]);
    }
}

impl BatchingExperimentConfig {
    fn check(&self, check: &mut Check<'_>) {
        check.networks("batching.networks", &self.networks);
        check.whole("batching.image_side", self.image_side, limits::IMAGE_SIDE);
        check.not_empty("batching.rates_per_s", self.rates_per_s.len());
        for rate in &self.rates_per_s {
            check.real("batching.rates_per_s", *rate, limits::RATE_PER_S);
        }
        check.real("batching.jitter", self.jitter, limits::SHARE);
        check.whole("batching.requests", self.requests, limits::LIVE_REQUESTS);
        check.not_empty("batching.policies", self.policies.len());
        for policy in &self.policies {
            check.whole("batching.policies (batch size)", policy.max_size(), limits::BATCH);
        }
        check.whole("batching.warmup_batches", self.warmup_batches, limits::WARMUP);
        check.whole("batching.repetitions", self.repetitions, limits::REPETITIONS);
        check.precision("batching", &self.precision, &self.networks);
        let lists = [
            self.networks.len(),
            self.rates_per_s.len(),
            self.policies.len(),
            self.precision.len(),
        ];
        let [networks, rates, policies, precisions] = lists.map(|length| length as u64);
        let repetitions = u64::from(self.repetitions);
        check.runs("batching", &[networks, rates, policies, precisions, repetitions]);
        if let Some(name) = self.photographs.as_ref().filter(|name| !is_below(name)) {
            check.fail(
                "batching.photographs",
                &format!("`{name}`"),
                "the name of a folder below that of the data sets, without `..`",
            );
        }
    }
}

impl TimelineConfig {
    fn check(&self, check: &mut Check<'_>) {
        let named: Vec<String> =
            self.networks.iter().filter(|name| !networks::is_file(name)).cloned().collect();
        check.not_empty("timeline.networks", self.networks.len());
        if !named.is_empty() {
            check.networks("timeline.networks", &named);
        }
        check.whole("timeline.image_side", self.image_side, limits::IMAGE_SIDE);
        check.whole("timeline.batch", self.batch, limits::BATCH);
        check.whole("timeline.batches", self.batches, limits::BATCHES);
        check.whole("timeline.warmup_batches", self.warmup_batches, limits::WARMUP);
        check.whole("timeline.repetitions", self.repetitions, limits::REPETITIONS);
        check.precision("timeline", &self.precision, &named);
        let (networks, precisions) = (self.networks.len() as u64, self.precision.len() as u64);
        check.runs("timeline", &[networks, precisions, u64::from(self.repetitions)]);
    }
}

#[cfg(test)]
mod tests;
