//! Run specs: everything that determines the outcome of a run, and nothing else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The studies' experiments, by research question (RQ).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Experiment {
    /// RQ1: strategies of hyper-parameter search.
    Tuning,
    /// RQ2 and RQ3: a factorial design over the layers of a network.
    Layers,
    /// RQ4: batching at inference.
    Batching,
    /// RQ5: vision networks of one decade.
    Timeline,
    /// The same trainings with both engines.
    Engines,
    /// RQ5 with accuracy that is measured here: trained networks on labeled images.
    Accuracy,
}

/// The complete description of a run. Its id ([`crate::RunId`]) is a hash of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// The experiment that the run belongs to.
    pub experiment: Experiment,
    /// Number of the repetition of this cell, from 0.
    pub repetition: u32,
    /// Seed of all random numbers of the run.
    pub seed: u64,
    /// What to do.
    pub task: Task,
}

/// What a run does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Trains a network of the first study.
    Train(TrainTask),
    /// Serves a queue of requests with a vision network.
    Serve(ServeTask),
    /// Runs a vision network forward over batches of images.
    Infer(InferTask),
    /// Runs a trained network over labeled images, and counts its correct answers.
    Evaluate(EvaluateTask),
}

impl Task {
    /// Name of the main span: the span whose energy the experiment is about, which is training alone,
    /// serving alone or inference alone.
    #[must_use]
    pub fn main_span(&self) -> &'static str {
        match self {
            Self::Train(_) => "fit",
            Self::Serve(_) => "serve",
            Self::Infer(_) | Self::Evaluate(_) => "infer",
        }
    }
}

/// The architectures of the first study (arXiv 2303.13972).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// Blocks of 3×3 convolution, batch norm, ReLU and 2×2 max-pooling, followed by linear layers.
    SimpleCnn,
    /// Linear layers, each half as wide as the one before.
    DensePoly,
    /// Linear layers whose widths decrease linearly.
    DenseLinear,
}

impl NetworkKind {
    /// The name in the study.
    #[must_use]
    pub fn paper_name(self) -> &'static str {
        match self {
            Self::SimpleCnn => "SimpleCNN",
            Self::DensePoly => "DensePolyNN",
            Self::DenseLinear => "DenseLinearNN",
        }
    }
}

/// A network of the first study: an architecture and its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyNetwork {
    /// The architecture.
    pub kind: NetworkKind,
    /// Number of convolution blocks; 0 for dense networks.
    pub conv: u32,
    /// Number of linear layers with the classifier; at least 1.
    pub linear: u32,
    /// Whether a ReLU follows each batch norm. Has an effect only with convolution blocks.
    pub relu: bool,
}

/// The network of a training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum TrainedNetwork {
    /// One of the first study's networks.
    Study(StudyNetwork),
    /// A network in a file of the user.
    Own(OwnNetwork),
}

impl TrainedNetwork {
    /// The study's network; `None` if it is another one.
    #[must_use]
    pub fn study(&self) -> Option<StudyNetwork> {
        match self {
            Self::Study(network) => Some(*network),
            Self::Own(_) => None,
        }
    }
}

impl From<StudyNetwork> for TrainedNetwork {
    fn from(network: StudyNetwork) -> Self {
        Self::Study(network)
    }
}

/// A network in a file, with everything that another machine needs to build it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnNetwork {
    /// The file's path, as the profile gives it.
    pub file: String,
    /// The whole network in TOML, without the file's comments.
    pub text: String,
    /// Values of the file that are replaced: the cell of a factorial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<FactorLevel>,
}

/// A value of a network's file that a factorial varies, in one of its cells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactorLevel {
    /// Where the value is in the file: `values.width`, `layers.3.kernel`.
    pub path: String,
    /// The value.
    pub value: FactorValue,
}

/// A level of a factor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum FactorValue {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Whole(i64),
    /// A real number.
    Real(f64),
    /// A text, such as the kind of a layer, or an expression.
    Text(String),
}

impl fmt::Display for FactorValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(value) => write!(formatter, "{value}"),
            Self::Whole(value) => write!(formatter, "{value}"),
            Self::Real(value) => write!(formatter, "{value}"),
            Self::Text(value) => write!(formatter, "{value}"),
        }
    }
}

/// What computes a training.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Engine {
    /// The kernels of this project.
    #[default]
    Fused,
    /// Plain candle and candle-nn with autograd, on the processor.
    Candle,
}

impl Engine {
    /// Whether it is the default, which specs leave out.
    #[must_use]
    pub fn is_fused(&self) -> bool {
        *self == Self::Fused
    }

    /// The name in tables and on the command line.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Fused => "fused",
            Self::Candle => "candle",
        }
    }
}

/// The images of a run: the name of a data set, and how many images of each split.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Name of the data set: one with a manifest (`fashion-mnist`, `cifar-10`, …) or an embedded one
    /// (`shapes-28`, `shapes-32`).
    pub name: String,
    /// Number of training images: the first ones of the training split.
    pub train: usize,
    /// Number of validation images, which hyper-parameters are chosen by: those that follow the training
    /// images in the training split.
    pub validation: usize,
    /// Number of images of the test split.
    pub test: usize,
}

/// Hyper-parameters of the optimizer Adam (Kingma and Ba 2015), as PyTorch defines them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Learning rate.
    pub learning_rate: f64,
    /// Decay rate of the first moment, in [0, 1).
    pub beta1: f64,
    /// Decay rate of the second moment, in [0, 1).
    pub beta2: f64,
    /// Constant added to the square root of the second moment.
    pub epsilon: f64,
    /// Factor of the weights that is added to the gradient (L2 penalty).
    pub weight_decay: f64,
}

impl Default for Adam {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// The training of a network of the first study, or of one of the user's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainTask {
    /// The network.
    pub network: TrainedNetwork,
    /// What computes the training. Specs of the fused engine leave it out, so their ids are those of older
    /// specs.
    #[serde(default, skip_serializing_if = "Engine::is_fused")]
    pub engine: Engine,
    /// The images.
    pub data: DataSpec,
    /// The hyper-parameters of the optimizer.
    pub optimizer: Adam,
    /// Number of passes over the training images.
    pub epochs: u32,
    /// Number of images per step.
    pub minibatch: usize,
    /// The trial that this training evaluates; `None` outside RQ1.
    pub trial: Option<TrialId>,
}

/// Identifies a trial of a hyper-parameter search; see [`TrainTask::trial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialId {
    /// The strategy that proposed it.
    pub sampler: SamplerKind,
    /// The search space.
    pub space: TuningSpace,
    /// Number of the trial in its search, from 0.
    pub number: u32,
    /// Seed of the search. Together with the earlier trials it determines this trial's parameters.
    pub search_seed: u64,
}

/// Strategies of hyper-parameter search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerKind {
    /// The study's grid: five values per parameter without the upper bound, in random order.
    Grid,
    /// Uniformly random points of the space.
    Random,
    /// Bayesian optimization as the study published it (probability of improvement).
    PaperPi,
    /// Bayesian optimization with a Gaussian process and the logarithm of the expected improvement, on
    /// scaled parameters.
    Gp,
}

impl SamplerKind {
    /// The name in tables and plots.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Grid => "grid",
            Self::Random => "random",
            Self::PaperPi => "Bayesian (as published)",
            Self::Gp => "Bayesian (GP, log-EI)",
        }
    }
}

/// The study's search spaces, with variants where its text and its code differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TuningSpace {
    /// Learning rate, β1 and β2, all on a linear scale, as the study describes.
    Three,
    /// The same with β2 fixed at 0.999, as in the study's code.
    ThreeAsRun,
    /// Learning rate on a logarithmic scale, β1 and β2 on a linear scale.
    ThreeLog,
    /// Learning rate, β1, β2, ε and weight decay, all on a linear scale.
    Five,
}

impl TuningSpace {
    /// The name in tables and plots.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Three => "3 parameters, linear as published",
            Self::ThreeAsRun => "3 parameters as the study's code ran them, β2 fixed",
            Self::ThreeLog => "3 parameters, learning rate on a log scale",
            Self::Five => "5 parameters, linear as published",
        }
    }
}

/// The serving of a queue of requests with a vision network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeTask {
    /// The network, by its name in torchvision.
    pub network: String,
    /// Side of the square input images, in pixels.
    pub image_side: usize,
    /// When requests arrive.
    pub arrivals: Arrivals,
    /// When waiting requests are served as a batch.
    pub policy: BatchPolicy,
    /// Number of warm-up batches, which are served before the measurement.
    pub warmup_batches: u32,
    /// Folder of photographs inside the folder of data sets. Each request asks for the next photograph,
    /// and reading, decoding and preprocessing it is part of the service. `None`: requests ask for
    /// random images that are ready in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photographs: Option<String>,
    /// The numbers that the network computes with.
    #[serde(default, skip_serializing_if = "InferencePrecision::is_float32")]
    pub precision: InferencePrecision,
}

/// The numbers that a network computes with in inference.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum InferencePrecision {
    /// Single precision.
    #[default]
    Float32,
    /// 8-bit integers, calibrated on images.
    Int8,
}

impl InferencePrecision {
    /// The name, as in profiles and records.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Int8 => "int8",
        }
    }

    /// Whether it is single precision, which records do not name.
    #[must_use]
    pub fn is_float32(&self) -> bool {
        *self == Self::Float32
    }

    /// A network's name together with the precision, if it is not single precision.
    #[must_use]
    pub fn of_network(self, network: &str) -> String {
        match self {
            Self::Float32 => network.to_owned(),
            Self::Int8 => format!("{network}, int8"),
        }
    }
}

/// The study's arrival process: the time between two requests is uniformly distributed between
/// `(1 - jitter) / rate` and `(1 + jitter) / rate`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// Mean rate, in requests per second.
    #[serde(rename = "rate_per_s")]
    pub rate: f64,
    /// Half-width of the relative variation, in [0, 1].
    pub jitter: f64,
    /// Total number of requests.
    pub requests: usize,
}

/// When waiting requests are served as a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchPolicy {
    /// As soon as this many requests wait; the last batch may be smaller.
    Fixed(usize),
    /// As soon as the server is free: all waiting requests, up to this many.
    Greedy(usize),
}

impl BatchPolicy {
    /// The most requests in a batch.
    #[must_use]
    pub fn max_size(self) -> usize {
        match self {
            Self::Fixed(size) | Self::Greedy(size) => size,
        }
    }
}

/// A short title: `fixed 16`, `greedy ≤ 128`.
impl fmt::Display for BatchPolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(formatter, "fixed {size}"),
            Self::Greedy(cap) => write!(formatter, "greedy ≤ {cap}"),
        }
    }
}

/// What is published about a network in a file, which its file quotes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedFigures {
    /// Year of the network's paper.
    pub year: u16,
    /// ImageNet top-1 accuracy, in percent.
    pub top1: f64,
    /// 10⁹ multiply-adds for one image of the file's size.
    pub giga_multiply_adds: f64,
}

/// Inference of a vision network over random images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferTask {
    /// The network, by its name in torchvision, or the path of its file.
    pub network: String,
    /// The whole network in TOML, without the file's comments; `None` for torchvision's networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What the network's file quotes; `None` for torchvision's networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedFigures>,
    /// Side of the square input images, in pixels.
    pub image_side: usize,
    /// Number of images per batch.
    pub batch: usize,
    /// Number of measured batches.
    pub batches: u32,
    /// Number of warm-up batches, which run before the measurement.
    pub warmup_batches: u32,
    /// The numbers that the network computes with.
    #[serde(default, skip_serializing_if = "InferencePrecision::is_float32")]
    pub precision: InferencePrecision,
}

/// The evaluation of a trained network on the first images of a test split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateTask {
    /// The network, by its name in torchvision, or the path of its file.
    pub network: String,
    /// The whole network in TOML, without the file's comments; `None` for torchvision's networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The trained weights.
    pub weights: WeightsFile,
    /// The year in which the architecture was published; `None` if the profile does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year: Option<u16>,
    /// Name of the data set.
    pub data: String,
    /// Number of images: the first ones of the test split.
    pub images: usize,
    /// Number of images per batch; the last batch may be smaller.
    pub batch: usize,
    /// Number of warm-up batches, which run before the measurement.
    pub warmup_batches: u32,
    /// The number that is subtracted from each channel, whose values are in [0, 1]. Empty: nothing is subtracted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mean: Vec<f64>,
    /// The number that each channel is divided by after that. Empty: nothing is divided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deviation: Vec<f64>,
    /// The numbers that the network computes with.
    #[serde(default, skip_serializing_if = "InferencePrecision::is_float32")]
    pub precision: InferencePrecision,
}

/// A file of trained weights.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightsFile {
    /// Its path below the folder of data sets.
    pub file: String,
    /// SHA-256 of the file, in 64 lowercase hexadecimal digits.
    pub sha256: String,
}
