//! Records as rows of observations, a kind of row for each question.

use std::collections::{BTreeMap, BTreeSet};

use record::{
    Adam, BatchPolicy, Energy, Engine, Experiment, InferencePrecision, NetworkKind, Origin,
    Outcome, OwnNetwork, PublishedFigures, RunRecord, RunSummary, SamplerKind, StudyNetwork, Task,
    TrainTask, Trained, TrainedNetwork, TuningSpace,
};

/// A trial of a search (RQ1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TrialRow {
    /// Data set.
    pub data: String,
    /// Network.
    pub network: NetworkKind,
    /// Search space.
    pub space: TuningSpace,
    /// Strategy.
    pub sampler: SamplerKind,
    /// Number of the repetition, from 0.
    pub repetition: u32,
    /// Number of the trial in its search, from 0.
    pub number: u32,
    /// The optimizer's settings; `None` if a file of the study does not have them.
    pub optimizer: Option<Adam>,
    /// Energy of the training; `None` if it has no energy.
    pub energy: Option<Energy>,
    /// Energy of choosing the trial's parameters.
    pub plan: Option<Energy>,
    /// Validation accuracy, by which the strategy chooses, in [0, 1].
    pub validation: f64,
    /// Test accuracy, in [0, 1].
    pub test: f64,
    /// Whether the training diverged.
    pub diverged: bool,
}

impl TrialRow {
    /// A trial without energy that did not diverge, with equal validation and test accuracy; set its other
    /// fields as needed.
    #[must_use]
    pub fn new(
        data: impl Into<String>,
        network: NetworkKind,
        space: TuningSpace,
        sampler: SamplerKind,
        [repetition, number]: [u32; 2],
        accuracy: f64,
    ) -> Self {
        Self {
            data: data.into(),
            network,
            space,
            sampler,
            repetition,
            number,
            optimizer: None,
            energy: None,
            plan: None,
            validation: accuracy,
            test: accuracy,
            diverged: false,
        }
    }
}

/// A training of the layer factorial (RQ2, RQ3).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LayerRow {
    /// Data set.
    pub data: String,
    /// The cell of the factorial.
    pub network: StudyNetwork,
    /// Setting of the optimizer, as text; repeats of one setting are a cluster.
    pub setting: String,
    /// Number of the repeat, from 0.
    pub repetition: u32,
    /// Position in the order of execution.
    pub order: u64,
    /// Energy of the training.
    pub energy: Energy,
    /// Test accuracy, in [0, 1].
    pub accuracy: f64,
}

/// A training of a factorial over a network of the user (RQ2).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OwnRow {
    /// Data set.
    pub data: String,
    /// The network's file.
    pub file: String,
    /// The cell: paths of the values that vary, with their levels as text.
    pub levels: Vec<(String, String)>,
    /// Setting of the optimizer, as text; repeats of one setting are a cluster.
    pub setting: String,
    /// Number of the repeat, from 0.
    pub repetition: u32,
    /// Energy of the training.
    pub energy: Energy,
    /// Test accuracy, in [0, 1].
    pub accuracy: f64,
}

/// A training of a comparison of engines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineRow {
    /// Data set.
    pub data: String,
    /// Network.
    pub network: StudyNetwork,
    /// What computed the training.
    pub engine: Engine,
    /// Number of the pair, from 0.
    pub repetition: u32,
    /// Number of finished epochs, at least 1.
    pub epochs: usize,
    /// Energy of the training.
    pub energy: Energy,
    /// Time of the training, in seconds.
    pub seconds: f64,
    /// Mean loss of the last epoch, in nats; `None` if the training diverged.
    pub loss: Option<f64>,
    /// Test accuracy, in [0, 1].
    pub accuracy: f64,
}

/// A served queue (RQ4).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct QueueRow {
    /// Network.
    pub network: String,
    /// Arrivals per second.
    pub rate: f64,
    /// Batching policy.
    pub policy: BatchPolicy,
    /// Number of the run in its cell, from 0.
    pub repetition: u32,
    /// Number of requests served.
    pub requests: usize,
    /// Energy from the first arrival to the last answer.
    pub energy: Energy,
    /// Mean time from arrival to start of service, in seconds.
    pub mean_wait_s: f64,
    /// Mean time from arrival to end of service, in seconds.
    pub mean_response_s: f64,
    /// 99th percentile of the response time, in seconds.
    pub p99_response_s: f64,
    /// Time from the first arrival to the last answer, in seconds.
    pub makespan_s: f64,
    /// Mean size of the batches.
    pub mean_batch: f64,
    /// Share of the makespan during which the server was busy, in [0, 1].
    pub utilization: f64,
    /// Share of the service time that preparing photographs takes, in [0, 1]; `None` for random images.
    pub preparing_share: Option<f64>,
    /// The numbers that the network computed with.
    pub precision: InferencePrecision,
}

/// A network run forward (RQ5).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InferRow {
    /// Network.
    pub network: String,
    /// Number of the run, from 0.
    pub repetition: u32,
    /// What the network's file quotes about it; `None` for torchvision's networks.
    pub quoted: Option<PublishedFigures>,
    /// Side of the images, in pixels.
    pub image_side: usize,
    /// Images per batch.
    pub batch: usize,
    /// Energy per image, in joules.
    pub joules_per_image: f64,
    /// Origin of the joules.
    pub origin: Origin,
    /// Seconds per image.
    pub seconds_per_image: f64,
    /// The numbers that the network computed with.
    pub precision: InferencePrecision,
}

/// A trained network that answered labeled images (RQ5).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AccuracyRow {
    /// Network: its name, or the path of its file.
    pub network: String,
    /// The file of its weights.
    pub weights: String,
    /// The beginning of the SHA-256 of that file.
    pub weights_sha256: String,
    /// The year in which the architecture was published, if the profile says it.
    pub year: Option<u16>,
    /// Number of parameters.
    pub parameters: usize,
    /// Data set.
    pub data: String,
    /// The beginning of the SHA-256 of the images and labels.
    pub data_sha256: String,
    /// Number of the run, from 0.
    pub repetition: u32,
    /// Images per batch.
    pub batch: usize,
    /// Number of images, at least 1.
    pub images: usize,
    /// Number of images whose most likely class is the label.
    pub correct: usize,
    /// Energy per image, in joules.
    pub joules_per_image: f64,
    /// Origin of the joules.
    pub origin: Origin,
    /// Seconds per image.
    pub seconds_per_image: f64,
    /// The numbers that the network computed with.
    pub precision: InferencePrecision,
}

/// The rows of every question.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Rows {
    /// RQ1.
    pub trials: Vec<TrialRow>,
    /// RQ2, RQ3.
    pub layers: Vec<LayerRow>,
    /// RQ2 with networks of the user.
    pub own: Vec<OwnRow>,
    /// Comparison of engines.
    pub engines: Vec<EngineRow>,
    /// RQ4.
    pub queues: Vec<QueueRow>,
    /// RQ5.
    pub infers: Vec<InferRow>,
    /// RQ5 with accuracy that was measured here.
    pub accuracies: Vec<AccuracyRow>,
    /// The repetitions after which a study looks at its verdicts, by experiment; empty if it looks only once.
    pub looks: BTreeMap<Experiment, BTreeSet<u32>>,
    /// Number of runs with an impossible value: not a number, negative, or absurdly large.
    pub unsound: usize,
}

/// Larger than any value of a real run: a petajoule, or thirty million years.
const BEYOND: f64 = 1e15;

/// Whether a value in joules or seconds is possible.
pub(crate) fn is_sound(value: f64) -> bool {
    (0.0..BEYOND).contains(&value)
}

/// The energy of a run's main span, unless it is impossible.
pub(crate) fn sound_energy(record: &RunSummary) -> Option<Energy> {
    sound(record.energy.total)
}

fn sound(energy: Option<Energy>) -> Option<Energy> {
    energy.filter(|energy| is_sound(energy.joules.0) && is_sound(energy.uncertainty.0))
}

/// A row for any of the questions.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    Trial(TrialRow),
    Layer(LayerRow),
    Own(OwnRow),
    Engine(EngineRow),
    Queue(QueueRow),
    Infer(InferRow),
    Accuracy(AccuracyRow),
    /// The run has no energy, which its question needs.
    None,
    /// The run has an impossible value.
    Unsound,
}

impl Rows {
    /// Sorts records into rows.
    ///
    /// Runs without energy have no row, except trials, whose accuracy counts without it. Runs with an
    /// impossible value have no row either and are counted in [`Rows::unsound`].
    #[must_use]
    pub fn of(records: &[RunRecord]) -> Self {
        let mut rows = Self::default();
        for record in records {
            let summary = RunSummary::from(record.clone());
            rows.look(summary.spec.experiment, &summary.looks);
            rows.look(summary.spec.experiment, &summary.looks);
            rows.push(Row::of(&summary));
        }
        rows
    }

    /// Remembers when an experiment looks at its verdicts.
    pub(super) fn look(&mut self, experiment: Experiment, looks: &[u32]) {
        if !looks.is_empty() {
            self.looks.entry(experiment).or_default().extend(looks);
        }
    }

    /// The queues of networks in single precision, which the studies are about.
    pub(crate) fn float32_queues(&self) -> Vec<QueueRow> {
        self.queues.iter().filter(|row| row.precision.is_float32()).cloned().collect()
    }

    /// The forward passes of networks in single precision, which the studies are about.
    pub(crate) fn float32_infers(&self) -> Vec<InferRow> {
        self.infers.iter().filter(|row| row.precision.is_float32()).cloned().collect()
    }

    pub(crate) fn push(&mut self, row: Row) {
        match row {
            Row::Trial(row) => self.trials.push(row),
            Row::Layer(row) => self.layers.push(row),
            Row::Own(row) => self.own.push(row),
            Row::Engine(row) => self.engines.push(row),
            Row::Queue(row) => self.queues.push(row),
            Row::Infer(row) => self.infers.push(row),
            Row::Accuracy(row) => self.accuracies.push(row),
            Row::None => {}
            Row::Unsound => self.unsound += 1,
        }
    }
}

impl Row {
    /// The row of a record.
    pub(crate) fn of(record: &RunSummary) -> Self {
        if !is_plausible(record) {
            return Self::Unsound;
        }
        let energy = sound_energy(record);
        match (&record.spec.task, &record.outcome) {
            (Task::Train(task), Outcome::Trained(outcome)) => {
                Self::of_training(record, energy, task, outcome)
            }
            (Task::Serve(task), Outcome::Served(outcome)) => {
                let (Some(energy), Some(serving)) = (energy, &record.timing.serving) else {
                    return Self::None;
                };
                let Some(makespan) = serving.makespan() else { return Self::None };
                let mut responses: Vec<f64> = serving.responses().collect();
                responses.sort_by(f64::total_cmp);
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                let waits: Vec<f64> = serving.waits().collect();
                let busy: f64 =
                    serving.batches.iter().map(|batch| batch.end_s - batch.start_s).sum();
                Self::Queue(QueueRow {
                    network: task.network.clone(),
                    rate: task.arrivals.rate,
                    policy: task.policy,
                    repetition: record.spec.repetition,
                    requests: outcome.requests,
                    energy,
                    mean_wait_s: mean(&waits),
                    mean_response_s: mean(&responses),
                    p99_response_s: nearest_rank(&responses, 0.99),
                    makespan_s: makespan.0,
                    mean_batch: outcome.requests as f64 / serving.batches.len() as f64,
                    utilization: busy / makespan.0,
                    preparing_share: record.timing.preparing.map(|preparing| preparing.0 / busy),
                    precision: task.precision,
                })
            }
            (Task::Infer(task), Outcome::Inferred(outcome)) => match energy {
                Some(energy) => Self::Infer(InferRow {
                    network: task.network.clone(),
                    quoted: task.published,
                    repetition: record.spec.repetition,
                    image_side: task.image_side,
                    batch: task.batch,
                    joules_per_image: energy.joules.0 / outcome.images as f64,
                    origin: energy.origin,
                    seconds_per_image: record.timing.main.0 / outcome.images as f64,
                    precision: task.precision,
                }),
                None => Self::None,
            },
            (Task::Evaluate(task), Outcome::Evaluated(outcome)) => match energy {
                Some(energy) => Self::Accuracy(AccuracyRow {
                    network: task.network.clone(),
                    weights: task.weights.file.clone(),
                    weights_sha256: start_of(&task.weights.sha256),
                    year: task.year,
                    parameters: outcome.parameters,
                    data: outcome.data.name.clone(),
                    data_sha256: start_of(&outcome.data.sha256),
                    repetition: record.spec.repetition,
                    batch: task.batch,
                    images: outcome.data.test,
                    correct: outcome.correct,
                    joules_per_image: energy.joules.0 / outcome.data.test as f64,
                    origin: energy.origin,
                    seconds_per_image: record.timing.main.0 / outcome.data.test as f64,
                    precision: task.precision,
                }),
                None => Self::None,
            },
            // An outcome of another kind than the task would be a bug of the program that wrote it.
            _ => Self::None,
        }
    }
}

impl Row {
    fn of_training(
        record: &RunSummary,
        energy: Option<Energy>,
        task: &TrainTask,
        outcome: &Trained,
    ) -> Self {
        let (data, repetition) = (task.data.name.clone(), record.spec.repetition);
        let network = match (&task.network, energy) {
            (TrainedNetwork::Study(network), _) => *network,
            (TrainedNetwork::Own(own), Some(energy)) => {
                return Self::Own(own_row(data, own, task, repetition, energy, outcome));
            }
            (TrainedNetwork::Own(_), None) => return Self::None,
        };
        match (task.trial, energy) {
            (Some(trial), energy) => Self::Trial(TrialRow {
                data,
                network: network.kind,
                space: trial.space,
                sampler: trial.sampler,
                repetition,
                number: trial.number,
                optimizer: Some(task.optimizer),
                energy,
                plan: sound(record.energy.plan),
                validation: outcome.validation_accuracy.unwrap_or(outcome.test_accuracy),
                test: outcome.test_accuracy,
                diverged: outcome.diverged_in_epoch.is_some(),
            }),
            (None, Some(energy)) if record.spec.experiment == Experiment::Engines => {
                let Some(last) = outcome.epochs.last() else { return Self::None };
                Self::Engine(EngineRow {
                    data,
                    network,
                    engine: task.engine,
                    repetition,
                    epochs: outcome.epochs.len(),
                    energy,
                    seconds: record.timing.main.0,
                    loss: last.loss,
                    accuracy: outcome.test_accuracy,
                })
            }
            (None, Some(energy)) => Self::Layer(LayerRow {
                data,
                network,
                setting: setting(&task.optimizer),
                repetition,
                order: record.timing.order,
                energy,
                accuracy: outcome.test_accuracy,
            }),
            (None, None) => Self::None,
        }
    }
}

/// The first twelve digits of a checksum, which are enough to tell files apart.
pub(super) fn start_of(sha256: &str) -> String {
    sha256.get(..12).unwrap_or("").to_owned()
}

fn own_row(
    data: String,
    own: &OwnNetwork,
    task: &TrainTask,
    repetition: u32,
    energy: Energy,
    outcome: &Trained,
) -> OwnRow {
    let levels = own.levels.iter().map(|level| (level.path.clone(), level.value.to_string()));
    OwnRow {
        data,
        file: own.file.clone(),
        levels: levels.collect(),
        setting: setting(&task.optimizer),
        repetition,
        energy,
        accuracy: outcome.test_accuracy,
    }
}

/// Whether every value that a row is made of is possible.
fn is_plausible(record: &RunSummary) -> bool {
    let share = |value: f64| (0.0..=1.0).contains(&value);
    let of_outcome = match &record.outcome {
        Outcome::Trained(it) => {
            share(it.test_accuracy)
                && it.validation_accuracy.is_none_or(share)
                && (record.spec.experiment != Experiment::Engines || is_sound(record.timing.main.0))
        }
        Outcome::Served(it) => it.requests > 0,
        Outcome::Inferred(it) => it.images > 0 && is_sound(record.timing.main.0),
        Outcome::Evaluated(it) => {
            it.data.test > 0 && it.correct <= it.data.test && is_sound(record.timing.main.0)
        }
    };
    let of_serving = record.timing.serving.as_ref().is_none_or(|serving| {
        let times = serving
            .batches
            .iter()
            .flat_map(|batch| [batch.start_s, batch.end_s, batch.end_s - batch.start_s]);
        times.chain(serving.arrivals_s.iter().copied()).all(is_sound)
            && serving.responses().all(is_sound)
            && serving.makespan().is_some_and(|makespan| makespan.0 > 0.0)
    });
    let of_preparing = record.timing.preparing.is_none_or(|preparing| is_sound(preparing.0));
    record.energy.total.is_some() == sound_energy(record).is_some()
        && of_outcome
        && of_serving
        && of_preparing
}

/// Quantile of sorted values by the nearest-rank definition; there is at least one value.
fn nearest_rank(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// A setting of the optimizer as a short, exact text.
fn setting(optimizer: &record::Adam) -> String {
    format!("{}/{}/{}", optimizer.learning_rate, optimizer.beta1, optimizer.beta2)
}

/// The origin of a sum of joules; `None` if there are no joules.
pub fn origin_of(origins: impl IntoIterator<Item = Origin>) -> Option<Origin> {
    origins.into_iter().reduce(Origin::and)
}

/// A policy as text: `fixed 16`, `greedy ≤ 128`.
#[must_use]
pub fn policy_title(policy: BatchPolicy) -> String {
    policy.to_string()
}
