//! What a prediction needs of a record: the network, the images, and the joules with their conditions.

use std::fmt;

use models::{NetworkFile, image_shape, vision::VisionNetwork};
use record::{
    Engine, EvaluateTask, InferTask, InferencePrecision, NetworkKind, Origin, Outcome, OwnNetwork,
    RunRecord, StudyNetwork, Task, TrainedNetwork,
};
use report::Phase;

use super::layers::NetworkLayers;
use crate::{Failure, work::network_of_file};

/// A record, as far as a prediction needs it.
pub(super) enum Read {
    Run(Box<OwnRun>),
    /// Why it says nothing.
    LeftOut(String),
}

/// A run.
pub(super) struct OwnRun {
    pub(super) conditions: Conditions,
    pub(super) subject: Subject,
    pub(super) batch: usize,
    pub(super) joules_per_image: f64,
    /// Half of the 95 % interval of its joules, as a share.
    pub(super) uncertainty: f64,
}

/// What must be equal for runs to be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Conditions {
    is_training: bool,
    /// The device as it calls itself.
    device: String,
    threads: usize,
    instructions: Option<String>,
    engine: Engine,
    /// The parts of the machine that the joules are of.
    domains: String,
    origin: &'static str,
}

/// The network of a run, with everything that is needed to build it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// One of the study's networks: kind, blocks, linear layers, ReLU; channels and side of its images.
    Study(u8, u32, u32, bool, [usize; 2]),
    /// A network by its name, or in a file with this text; side of its images.
    Vision { name: String, text: Option<String>, side: Option<usize> },
    /// A network in a file with replaced values, as JSON.
    Own(String),
}

const KINDS: [NetworkKind; 3] =
    [NetworkKind::SimpleCnn, NetworkKind::DensePoly, NetworkKind::DenseLinear];

impl Conditions {
    pub(crate) fn phase(&self) -> Phase {
        if self.is_training { Phase::Training } else { Phase::Inference }
    }

    pub(crate) fn device(&self) -> &str {
        &self.device
    }

    pub(crate) fn domains(&self) -> &str {
        &self.domains
    }

    pub(crate) fn origin(&self) -> Origin {
        match self.origin {
            "measured" => Origin::Measured,
            "mixed" => Origin::Mixed,
            _ => Origin::Estimated,
        }
    }

    /// Whether the device has this name, whatever its case and spaces.
    pub(super) fn is_on(&self, device: &str) -> bool {
        super::devices::plain(&self.device) == super::devices::plain(device)
    }
}

/// `trainings on AMD EPYC (2 threads, avx512, engine fused), estimated joules of cpu-process`.
impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = if self.is_training { "trainings" } else { "inferences" };
        write!(f, "{runs} on {} ({} threads", self.device, self.threads)?;
        if let Some(instructions) = &self.instructions {
            write!(f, ", {instructions}")?;
        }
        if self.is_training {
            write!(f, ", engine {}", self.engine.title())?;
        }
        write!(f, "), {} joules of {}", self.origin, self.domains)
    }
}

impl From<RunRecord> for Read {
    fn from(record: RunRecord) -> Self {
        match of_record(record) {
            Ok(run) => Self::Run(Box::new(run)),
            Err(reason) => Self::LeftOut(reason.to_owned()),
        }
    }
}

fn of_record(record: RunRecord) -> Result<OwnRun, &'static str> {
    let total = record.energy.total.ok_or("runs without joules")?;
    let (subject, batch, images, engine) = match (record.spec.task, record.outcome) {
        (Task::Train(task), Outcome::Trained(outcome)) => {
            if outcome.diverged_in_epoch.is_some() {
                return Err("trainings whose loss diverged");
            }
            let subject = match task.network {
                TrainedNetwork::Study(network) => {
                    let shape = image_shape(&task.data.name).ok_or("images of unknown size")?;
                    of_study(network, shape)
                }
                TrainedNetwork::Own(network) => Subject::Own(
                    serde_json::to_string(&network).map_err(|_| "unreadable networks")?,
                ),
            };
            let images = task.data.train as f64 * f64::from(task.epochs);
            (subject, task.minibatch, images, Some(task.engine))
        }
        (Task::Infer(InferTask { precision: InferencePrecision::Int8, .. }), _)
        | (Task::Evaluate(EvaluateTask { precision: InferencePrecision::Int8, .. }), _) => {
            return Err("networks of 8-bit integers, whose work is of another kind");
        }
        (Task::Infer(task), Outcome::Inferred(outcome)) => {
            let side = Some(task.image_side);
            let subject = Subject::Vision { name: task.network, text: task.text, side };
            (subject, task.batch, outcome.images as f64, None)
        }
        (Task::Evaluate(task), Outcome::Evaluated(_)) => {
            let subject = Subject::Vision { name: task.network, text: task.text, side: None };
            (subject, task.batch, task.images as f64, None)
        }
        (Task::Serve(_), _) => return Err("queues, whose joules depend on when requests come"),
        _ => return Err("records whose outcome is that of another task"),
    };
    let joules = total.joules.0 / images;
    let uncertainty = total.uncertainty.0 / total.joules.0;
    let is_usable = joules.is_finite() && joules > 0.0 && (0.0..=100.0).contains(&uncertainty);
    if !is_usable || batch == 0 || batch > 1_000_000 {
        return Err("records with an impossible value");
    }
    let mut domains: Vec<&str> = record
        .energy
        .domains
        .iter()
        .filter(|domain| domain.in_total)
        .map(|domain| domain.domain.word())
        .collect();
    domains.sort_unstable();
    domains.dedup();
    let machine = record.environment.machine;
    let on_gpu =
        machine.device.split_once('(').map(|(_, name)| name.trim_end_matches(')').to_owned());
    Ok(OwnRun {
        conditions: Conditions {
            is_training: engine.is_some(),
            device: on_gpu.unwrap_or(machine.cpu),
            threads: record.environment.threads,
            instructions: machine.instructions,
            engine: engine.unwrap_or_default(),
            domains: domains.join(" + "),
            origin: total.origin.word(),
        },
        subject,
        batch,
        joules_per_image: joules,
        uncertainty,
    })
}

fn of_study(network: StudyNetwork, shape: [usize; 2]) -> Subject {
    let StudyNetwork { kind, conv, linear, relu } = network;
    let kind = KINDS.iter().position(|known| *known == kind).unwrap_or_default() as u8;
    Subject::Study(kind, conv, linear, relu, shape)
}

impl Subject {
    /// What is left out together when the model is tested: the family of a network, such as `resnet`, or the size of
    /// one of the study's, whatever its ReLU and images.
    pub(super) fn architecture(&self) -> String {
        match self {
            Self::Study(kind, conv, linear, ..) => format!("{kind}-{conv}-{linear}"),
            Self::Vision { name, .. } => {
                let stem = name.rsplit('/').next().unwrap_or(name).trim_end_matches(".toml");
                let family = stem.split(|c: char| c.is_ascii_digit()).next().unwrap_or(stem);
                family.trim_end_matches("_v").trim_end_matches('_').to_owned()
            }
            Self::Own(network) => network.clone(),
        }
    }

    /// Its layers; the error in words if it cannot be built.
    pub(super) fn layers(&self) -> Result<NetworkLayers, String> {
        let layers = || -> Result<NetworkLayers, Failure> {
            match self {
                Self::Study(kind, conv, linear, relu, [channels, side]) => {
                    let kind = KINDS[usize::from(*kind)];
                    let network = StudyNetwork { kind, conv: *conv, linear: *linear, relu: *relu };
                    NetworkLayers::of_study(&network, *channels, *side)
                }
                Self::Vision { name, text, side } => {
                    let network = match text {
                        Some(text) => {
                            let file =
                                NetworkFile::parse(text, name).map_err(Failure::bad_input)?;
                            VisionNetwork::from_file(&file, name, None, 1)
                        }
                        None => VisionNetwork::open(name, None, None, 1),
                    };
                    let network = network.map_err(Failure::bad_input)?;
                    let side = side.unwrap_or(network.info().usual_side);
                    NetworkLayers::of_vision(&network, side)
                }
                Self::Own(json) => {
                    let own: OwnNetwork = serde_json::from_str(json).map_err(Failure::bad_input)?;
                    let file = network_of_file(&own).map_err(Failure::bad_input)?;
                    let network = VisionNetwork::from_file(&file, &own.file, None, 1)
                        .map_err(Failure::bad_input)?;
                    NetworkLayers::of_vision(&network, file.side())
                }
            }
        };
        layers().map_err(|failure| failure.to_string())
    }
}
