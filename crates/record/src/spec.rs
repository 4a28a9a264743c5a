//! What is to be run: everything that determines a run's outcome, and nothing else.

use serde::{Deserialize, Serialize};

/// Which of the studies' experiments a run belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Experiment {
    /// RQ1: search strategies.
    Tuning,
    /// RQ2 and RQ3: the layer factorial.
    Layers,
    /// RQ4: batching at inference.
    Batching,
    /// RQ5: a decade of vision networks.
    Timeline,
}

/// One run, completely described. Its identity ([`crate::RunId`]) is a hash of this alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpec {
    /// The experiment.
    pub experiment: Experiment,
    /// Which repetition of the same cell, from 0.
    pub repetition: u32,
    /// Every random number of the run follows from this.
    pub seed: u64,
    /// The work.
    pub task: Task,
}

/// The work of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Train one of the studies' networks.
    Train(TrainTask),
    /// Serve a queue of requests with a vision network.
    Serve(ServeTask),
    /// Run a vision network forward over batches of images.
    Infer(InferTask),
}

impl Task {
    /// The span whose energy answers the question: training only, serving only, inference only.
    #[must_use]
    pub fn main_span(&self) -> &'static str {
        match self {
            Self::Train(_) => "fit",
            Self::Serve(_) => "serve",
            Self::Infer(_) => "infer",
        }
    }
}

/// The networks of study A.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// Blocks of 3×3 convolution, batch norm, ReLU and 2×2 max-pool, then linear layers.
    SimpleCnn,
    /// Linear layers whose widths halve.
    DensePoly,
    /// Linear layers whose widths fall linearly.
    DenseLinear,
}

impl NetworkKind {
    /// The name the study gave it.
    #[must_use]
    pub fn paper_name(self) -> &'static str {
        match self {
            Self::SimpleCnn => "SimpleCNN",
            Self::DensePoly => "DensePolyNN",
            Self::DenseLinear => "DenseLinearNN",
        }
    }
}

/// A network of study A with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyNetwork {
    /// Architecture.
    pub kind: NetworkKind,
    /// Convolution blocks; 0 for the dense networks.
    pub conv: u32,
    /// Linear layers, the classifier included; at least 1.
    pub linear: u32,
    /// Whether a ReLU follows each batch norm; only meaningful with convolution blocks.
    pub relu: bool,
}

/// Which images, by name and number.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    /// Name of a manifest (`fashion-mnist`, `cifar-10`, …) or of an embedded set
    /// (`shapes-28`, `shapes-32`).
    pub name: String,
    /// Images to train on, taken from the front of the training split.
    pub train: usize,
    /// Images to choose hyper-parameters by, taken from the training split behind those.
    pub validation: usize,
    /// Images of the test split.
    pub test: usize,
}

/// Adam's hyper-parameters (Kingma and Ba 2015, with PyTorch's semantics).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adam {
    /// Step size.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// L2 penalty, added to the gradient.
    pub weight_decay: f64,
}

impl Default for Adam {
    /// PyTorch's defaults.
    fn default() -> Self {
        Self { learning_rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// Train a network of study A.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainTask {
    /// The network.
    pub network: StudyNetwork,
    /// The images.
    pub data: DataSpec,
    /// The optimizer.
    pub optimizer: Adam,
    /// Passes over the training images.
    pub epochs: u32,
    /// Images per step.
    pub minibatch: usize,
    /// The trial of a search that asked for this training; `None` outside RQ1.
    pub trial: Option<Trial>,
}

/// A trial of a hyper-parameter search.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// What proposed it.
    pub sampler: SamplerKind,
    /// The space it was drawn from.
    pub space: TuningSpace,
    /// Position in its study, from 0.
    pub number: u32,
    /// The study's seed: with the trials before, it determines this trial's parameters.
    pub search_seed: u64,
}

/// Search strategies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SamplerKind {
    /// The study's grid: five values a parameter without the upper bound, in random order.
    Grid,
    /// Uniform in the space.
    Random,
    /// The study's Bayesian strategy, as published.
    PaperPi,
    /// A Gaussian process with log-EI on scaled parameters.
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

/// The study's search spaces, and the readings its flaws make necessary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TuningSpace {
    /// Learning rate, β1 and β2, all linear, as the study describes it.
    Three,
    /// The same with β2 fixed at 0.999, as the study's code ran it.
    ThreeAsRun,
    /// The same three with the learning rate on a log scale.
    ThreeLog,
    /// Learning rate, β1, β2, ε and weight decay, all linear.
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

/// Serve a queue of requests with a vision network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServeTask {
    /// torchvision's name of the network.
    pub network: String,
    /// Side of the square input, in pixels.
    pub image_side: usize,
    /// When requests come.
    pub arrivals: Arrivals,
    /// When they are served.
    pub policy: BatchPolicy,
    /// Batches served before the clock starts.
    pub warmup_batches: u32,
    /// Folder of photographs, below the folder of data sets, that the requests ask for in turns:
    /// reading, decoding and preprocessing them is a part of the service. `None`: random images
    /// that lie ready in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photographs: Option<String>,
}

/// The study's arrival process: the time between two requests is `1/rate · U(1-jitter, 1+jitter)`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrivals {
    /// Mean rate, in requests per second.
    #[serde(rename = "rate_per_s")]
    pub rate: f64,
    /// Half-width of the uniform factor, in [0, 1].
    pub jitter: f64,
    /// Requests in all.
    pub requests: usize,
}

/// When a batch is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchPolicy {
    /// When so many requests wait; the last, partial batch when no more will come.
    Fixed(usize),
    /// As soon as the server is free: what waits, at most so many.
    Greedy(usize),
}

/// Run a vision network forward over random images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferTask {
    /// torchvision's name of the network.
    pub network: String,
    /// Side of the square input, in pixels.
    pub image_side: usize,
    /// Images per batch.
    pub batch: usize,
    /// Batches that are measured.
    pub batches: u32,
    /// Batches before that.
    pub warmup_batches: u32,
}
