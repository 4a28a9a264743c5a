//! What an experiment will cost: a short calibration of each kind of run, scaled up.

mod queue;
mod training;

use std::time::Duration;

use record::{
    Arrivals, BatchPolicy, Energy, Experiment, InferTask, Outcome, RunRecord, RunSpec, Seconds,
    ServeTask, Task,
};
use serde::{Serialize, Serializer};

use crate::{
    experiment::{Plan, Records},
    work::{RunError, Worker},
};

/// The estimated cost of what is left of an experiment.
#[derive(Clone, Debug, Serialize)]
pub struct Estimate {
    /// Which.
    pub experiment: Experiment,
    /// Runs in all.
    pub runs: usize,
    /// Runs that no record answers yet.
    pub left: usize,
    /// Time for those.
    #[serde(rename = "duration_s", serialize_with = "as_seconds")]
    pub duration: Duration,
    /// Energy of their main spans; `None` where nothing can be read.
    pub energy: Option<Energy>,
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    duration: Seconds,
    energy: Option<Energy>,
}

/// Estimates what is left of an experiment by running a small piece of each kind of run, and by
/// choosing a run of each search from made-up answers.
///
/// Trainings that diverge end early, so searches tend to cost less than this says.
///
/// # Errors
///
/// If a piece cannot be run.
pub fn estimate(
    plan: &dyn Plan,
    records: &Records,
    worker: &mut Worker,
) -> Result<Estimate, RunError> {
    let done = plan.done(records);
    let runs = plan.total();
    let left = runs.saturating_sub(done);
    let mut whole = Cost::default();
    if left > 0 {
        let mut pieces = Pieces { worker, done: Vec::new() };
        let kinds = plan.kinds();
        for (spec, count) in &kinds {
            let cost = pieces.cost(spec, &kinds)?;
            whole.duration += cost.duration * *count as f64;
            whole.energy = Energy::total(
                whole.energy.into_iter().chain(cost.energy.map(|it| times(it, *count as f64))),
            );
        }
        whole.duration += Seconds(worker.rest().as_secs_f64()) * runs as f64;
        whole.duration += Seconds(plan.asking().as_secs_f64());
    }
    let share = left as f64 / runs.max(1) as f64;
    Ok(Estimate {
        experiment: plan.experiment(),
        runs,
        left,
        duration: Duration::from_secs_f64(whole.duration.0.max(0.0) * share),
        energy: whole.energy.map(|it| times(it, share)),
    })
}

fn times(energy: Energy, factor: f64) -> Energy {
    Energy { joules: energy.joules * factor, uncertainty: energy.uncertainty * factor, ..energy }
}

/// Small pieces of runs, each done once.
struct Pieces<'a> {
    worker: &'a mut Worker,
    done: Vec<RunRecord>,
}

/// A piece shorter than this says little.
const SHORT: Seconds = Seconds(0.1);

impl Pieces<'_> {
    fn run(&mut self, spec: &RunSpec) -> Result<RunRecord, RunError> {
        if let Some(record) = self.done.iter().find(|it| it.spec == *spec) {
            return Ok(record.clone());
        }
        let record = self.worker.trial(spec)?;
        self.done.push(record.clone());
        Ok(record)
    }

    fn cost(&mut self, spec: &RunSpec, kinds: &[(RunSpec, usize)]) -> Result<Cost, RunError> {
        match &spec.task {
            Task::Train(task) => training::cost(self, spec, task),
            Task::Serve(task) => {
                let load = self.load(spec, &task.network, kinds)?;
                queue::cost(self, spec, task, load)
            }
            Task::Infer(task) => {
                let load = self.load(spec, &task.network, kinds)?;
                let (duration, energy) =
                    self.batch(spec, &task.network, task.image_side, task.batch)?;
                Ok(Cost {
                    duration: load + duration * f64::from(task.batches + task.warmup_batches),
                    energy: energy.map(|it| times(it, f64::from(task.batches))),
                })
            }
        }
    }

    /// Time and energy of a batch, once warm.
    fn batch(
        &mut self,
        spec: &RunSpec,
        network: &str,
        image_side: usize,
        batch: usize,
    ) -> Result<(Seconds, Option<Energy>), RunError> {
        let piece = |batches: u32| {
            let network = network.to_owned();
            let task = InferTask { network, image_side, batch, batches, warmup_batches: 1 };
            // Seeds do not change what a batch costs.
            RunSpec { task: Task::Infer(task), seed: 1, repetition: 0, ..spec.clone() }
        };
        let mut batches = 1;
        let mut record = self.run(&piece(batches))?;
        if record.timing.main < SHORT {
            let more = SHORT.0 / record.timing.main.0.max(1e-4);
            batches = (more.ceil() as u32).clamp(2, 32);
            record = self.run(&piece(batches))?;
        }
        let each = 1.0 / f64::from(batches);
        Ok((record.timing.main * each, record.energy.total.map(|it| times(it, each))))
    }

    /// Time and energy of a batch of a queue, its photographs included, once warm.
    fn served(
        &mut self,
        spec: &RunSpec,
        task: &ServeTask,
        batch: usize,
    ) -> Result<(Seconds, Option<Energy>), RunError> {
        let piece = |batches: usize| {
            // All are there at once.
            let arrivals = Arrivals { rate: 1e6, jitter: 0.0, requests: batches * batch };
            let policy = BatchPolicy::Fixed(batch);
            let task = ServeTask { arrivals, policy, warmup_batches: 1, ..task.clone() };
            RunSpec { task: Task::Serve(task), seed: 1, repetition: 0, ..spec.clone() }
        };
        let mut batches = 1;
        let mut record = self.run(&piece(batches))?;
        if record.timing.main < SHORT {
            let more = SHORT.0 / record.timing.main.0.max(1e-4);
            batches = (more.ceil() as usize).clamp(2, 32);
            record = self.run(&piece(batches))?;
        }
        let each = 1.0 / batches as f64;
        Ok((record.timing.main * each, record.energy.total.map(|it| times(it, each))))
    }

    /// Time before each run of a network: it is built anew where not all of an experiment's networks
    /// can be kept.
    fn load(
        &mut self,
        spec: &RunSpec,
        network: &str,
        kinds: &[(RunSpec, usize)],
    ) -> Result<Seconds, RunError> {
        let side = match &spec.task {
            Task::Serve(task) => task.image_side,
            Task::Infer(task) => task.image_side,
            Task::Train(_) => return Ok(Seconds(0.0)),
        };
        let mut names: Vec<&str> = kinds
            .iter()
            .filter_map(|(it, _)| match &it.task {
                Task::Serve(task) => Some(task.network.as_str()),
                Task::Infer(task) => Some(task.network.as_str()),
                Task::Train(_) => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        // Each is built with its first piece.
        let mut parameters = 0;
        for name in names {
            self.batch(spec, name, side, 1)?;
            parameters += self.pieces_of(name).find_map(size).unwrap_or(0);
        }
        let loads =
            self.pieces_of(network).filter_map(|it| Some(it.energy.span_named("load")?.duration));
        let (most, last) = loads.fold((Seconds(0.0), Seconds(0.0)), |(most, _), it| {
            (if it > most { it } else { most }, it)
        });
        Ok(if Worker::keeps(parameters) { last } else { most })
    }

    fn pieces_of(&self, name: &str) -> impl Iterator<Item = &RunRecord> {
        self.done.iter().filter(move |it| match &it.spec.task {
            Task::Infer(task) => task.network == name,
            _ => false,
        })
    }
}

fn size(piece: &RunRecord) -> Option<usize> {
    match &piece.outcome {
        Outcome::Inferred(it) => Some(it.parameters),
        _ => None,
    }
}
