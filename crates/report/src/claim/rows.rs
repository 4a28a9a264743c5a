//! Records as rows of observations: what each question looks at.

use record::{
    Adam, BatchPolicy, Energy, NetworkKind, Origin, Outcome, RunRecord, RunSummary, SamplerKind,
    StudyNetwork, Task, TuningSpace,
};

/// A trial of a search (RQ1).
#[derive(Clone, Debug)]
pub struct TrialRow {
    /// Data set.
    pub data: String,
    /// Network.
    pub network: NetworkKind,
    /// Search space.
    pub space: TuningSpace,
    /// Strategy.
    pub sampler: SamplerKind,
    /// Which search.
    pub repetition: u32,
    /// Which trial of it.
    pub number: u32,
    /// What was tried; `None` where a file of the study does not say.
    pub optimizer: Option<Adam>,
    /// Energy of the training; `None` where nothing was read.
    pub energy: Option<Energy>,
    /// Energy of choosing the trial's parameters.
    pub plan: Option<Energy>,
    /// What the strategy saw, in [0, 1].
    pub validation: f64,
    /// On images that no choice was made by, in [0, 1].
    pub test: f64,
    /// Whether the training diverged.
    pub diverged: bool,
}

/// A training of the layer factorial (RQ2, RQ3).
#[derive(Clone, Debug)]
pub struct LayerRow {
    /// Data set.
    pub data: String,
    /// The cell.
    pub network: StudyNetwork,
    /// Setting of the optimizer, as text: the cluster that repeats belong to.
    pub setting: String,
    /// Which repeat.
    pub repetition: u32,
    /// Position in the order of execution.
    pub order: u64,
    /// Energy of the training.
    pub energy: Energy,
    /// On the test images, in [0, 1].
    pub accuracy: f64,
}

/// A served queue (RQ4).
#[derive(Clone, Debug)]
pub struct QueueRow {
    /// Network.
    pub network: String,
    /// Arrivals per second.
    pub rate: f64,
    /// Batching policy.
    pub policy: BatchPolicy,
    /// Which run of the cell.
    pub repetition: u32,
    /// Requests served.
    pub requests: usize,
    /// Energy from first arrival to last answer.
    pub energy: Energy,
    /// Mean of arrival to start of service, in seconds.
    pub mean_wait_s: f64,
    /// Mean of arrival to end of service, in seconds.
    pub mean_response_s: f64,
    /// 99th percentile of the response, in seconds.
    pub p99_response_s: f64,
    /// First arrival to last answer, in seconds.
    pub makespan_s: f64,
    /// Mean size of the batches.
    pub mean_batch: f64,
    /// Share of the makespan in which the server was busy.
    pub utilization: f64,
    /// Of photographs: the share of the service that goes by before the network runs.
    pub preparing_share: Option<f64>,
}

/// A network run forward (RQ5).
#[derive(Clone, Debug)]
pub struct InferRow {
    /// Network.
    pub network: String,
    /// Which run.
    pub repetition: u32,
    /// Side of the images, in pixels.
    pub image_side: usize,
    /// Images per batch.
    pub batch: usize,
    /// Energy per image, in joules.
    pub joules_per_image: f64,
    /// Of those joules.
    pub origin: Origin,
    /// Seconds per image.
    pub seconds_per_image: f64,
}

/// The rows of every question.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// RQ1.
    pub trials: Vec<TrialRow>,
    /// RQ2, RQ3.
    pub layers: Vec<LayerRow>,
    /// RQ4.
    pub queues: Vec<QueueRow>,
    /// RQ5.
    pub infers: Vec<InferRow>,
    /// Runs with a figure that cannot be: not a number, negative, or beyond all machines.
    pub unsound: usize,
}

/// What no run takes: a petajoule, or thirty million years.
const BEYOND: f64 = 1e15;

/// Whether a quantity can be one: from 0 on, and not beyond all machines.
pub(crate) fn is_sound(value: f64) -> bool {
    (0.0..BEYOND).contains(&value)
}

/// The energy of a run's main span, unless it cannot be.
pub(crate) fn sound_energy(record: &RunSummary) -> Option<Energy> {
    sound(record.energy.total)
}

fn sound(energy: Option<Energy>) -> Option<Energy> {
    energy.filter(|it| is_sound(it.joules.0) && is_sound(it.uncertainty.0))
}

/// A row of any question.
#[derive(Clone, Debug)]
pub(crate) enum Row {
    Trial(TrialRow),
    Layer(LayerRow),
    Queue(QueueRow),
    Infer(InferRow),
    /// The run answers no question: the energy that its question asks for is missing.
    None,
    /// A figure of the run cannot be.
    Unsound,
}

impl Rows {
    /// Sorts records into rows. Runs without the energy that their question asks for have no row,
    /// except trials: their accuracy counts without it. Runs with a figure that cannot be have none
    /// either and are counted.
    #[must_use]
    pub fn of(records: &[RunRecord]) -> Self {
        let mut rows = Self::default();
        records.iter().for_each(|it| rows.push(Row::of(&it.clone().into())));
        rows
    }

    pub(crate) fn push(&mut self, row: Row) {
        match row {
            Row::Trial(row) => self.trials.push(row),
            Row::Layer(row) => self.layers.push(row),
            Row::Queue(row) => self.queues.push(row),
            Row::Infer(row) => self.infers.push(row),
            Row::None => {}
            Row::Unsound => self.unsound += 1,
        }
    }
}

impl Row {
    /// Of a record.
    pub(crate) fn of(record: &RunSummary) -> Self {
        if !is_plausible(record) {
            return Self::Unsound;
        }
        let energy = sound_energy(record);
        match (&record.spec.task, &record.outcome) {
            (Task::Train(task), Outcome::Trained(outcome)) => match (task.trial, energy) {
                (Some(trial), energy) => Self::Trial(TrialRow {
                    data: task.data.name.clone(),
                    network: task.network.kind,
                    space: trial.space,
                    sampler: trial.sampler,
                    repetition: record.spec.repetition,
                    number: trial.number,
                    optimizer: Some(task.optimizer),
                    energy,
                    plan: sound(record.energy.plan),
                    validation: outcome.validation_accuracy.unwrap_or(outcome.test_accuracy),
                    test: outcome.test_accuracy,
                    diverged: outcome.diverged_in_epoch.is_some(),
                }),
                (None, Some(energy)) => Self::Layer(LayerRow {
                    data: task.data.name.clone(),
                    network: task.network,
                    setting: setting(&task.optimizer),
                    repetition: record.spec.repetition,
                    order: record.timing.order,
                    energy,
                    accuracy: outcome.test_accuracy,
                }),
                (None, None) => Self::None,
            },
            (Task::Serve(task), Outcome::Served(outcome)) => {
                let (Some(energy), Some(serving)) = (energy, &record.timing.serving) else {
                    return Self::None;
                };
                let Some(makespan) = serving.makespan() else { return Self::None };
                let mut responses: Vec<f64> = serving.responses().collect();
                responses.sort_by(f64::total_cmp);
                let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
                let waits: Vec<f64> = serving.waits().collect();
                let busy: f64 = serving.batches.iter().map(|it| it.end_s - it.start_s).sum();
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
                    preparing_share: record.timing.preparing.map(|it| it.0 / busy),
                })
            }
            (Task::Infer(task), Outcome::Inferred(outcome)) => match energy {
                Some(energy) => Self::Infer(InferRow {
                    network: task.network.clone(),
                    repetition: record.spec.repetition,
                    image_side: task.image_side,
                    batch: task.batch,
                    joules_per_image: energy.joules.0 / outcome.images as f64,
                    origin: energy.origin,
                    seconds_per_image: record.timing.main.0 / outcome.images as f64,
                }),
                None => Self::None,
            },
            // A journal whose outcome is not of its task would be a bug of the writer; such a line
            // answers no question.
            _ => Self::None,
        }
    }
}

/// Whether every figure that a row is made of can be.
fn is_plausible(record: &RunSummary) -> bool {
    let share = |it: f64| (0.0..=1.0).contains(&it);
    let of_outcome = match &record.outcome {
        Outcome::Trained(it) => share(it.test_accuracy) && it.validation_accuracy.is_none_or(share),
        Outcome::Served(it) => it.requests > 0,
        Outcome::Inferred(it) => it.images > 0 && is_sound(record.timing.main.0),
    };
    let of_serving = record.timing.serving.as_ref().is_none_or(|it| {
        let times = it.batches.iter().flat_map(|it| [it.start_s, it.end_s, it.end_s - it.start_s]);
        times.chain(it.arrivals_s.iter().copied()).all(is_sound)
            && it.responses().all(is_sound)
            && it.makespan().is_some_and(|it| it.0 > 0.0)
    });
    let of_preparing = record.timing.preparing.is_none_or(|it| is_sound(it.0));
    record.energy.total.is_some() == sound_energy(record).is_some()
        && of_outcome
        && of_serving
        && of_preparing
}

/// Quantile of sorted, non-empty values by the nearest-rank definition.
fn nearest_rank(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// A setting of the optimizer as a short, exact text.
fn setting(optimizer: &record::Adam) -> String {
    format!("{}/{}/{}", optimizer.learning_rate, optimizer.beta1, optimizer.beta2)
}

/// Joins origins; `None` of nothing.
pub fn origin_of(origins: impl IntoIterator<Item = Origin>) -> Option<Origin> {
    origins.into_iter().reduce(Origin::and)
}

/// A policy as text: `fixed 16`, `greedy ≤ 128`.
#[must_use]
pub fn policy_title(policy: BatchPolicy) -> String {
    match policy {
        BatchPolicy::Fixed(size) => format!("fixed {size}"),
        BatchPolicy::Greedy(cap) => format!("greedy ≤ {cap}"),
    }
}
