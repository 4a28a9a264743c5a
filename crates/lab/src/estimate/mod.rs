//! Estimates what an experiment will cost: each kind of run is done in a small version, and its time
//! and energy are scaled up.

mod pieces;
mod queue;
mod stand_in;
mod training;

use std::time::Duration;

use record::{Energy, Experiment, RunSpec, Seconds, Task};
use serde::{Serialize, Serializer};

use self::pieces::{Cost, Pieces, times};
pub(crate) use self::stand_in::{Kinds, stand_ins};
use crate::{
    experiment::{Plan, Records},
    work::{RunError, Worker},
};

/// The estimated cost of the runs of an experiment that are left.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Estimate {
    /// The experiment.
    pub(crate) experiment: Experiment,
    /// The number of its runs.
    pub(crate) runs: usize,
    /// How many of these have no record yet.
    pub(crate) left: usize,
    /// The time for the runs that are left.
    #[serde(rename = "duration_s", serialize_with = "as_seconds")]
    pub(crate) duration: Duration,
    /// The energy of their main spans; `None` where nothing can be measured or estimated.
    pub(crate) energy: Option<Energy>,
}

fn as_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Estimates what is left of an experiment: does a small version of each kind of run, and lets each
/// search strategy choose one trial from made-up results.
///
/// `kinds` are the plan's kinds of run, possibly with stand-ins for missing data ([`stand_ins`]).
/// Trainings that diverge end early, so searches tend to cost less than estimated.
///
/// # Errors
///
/// If one of the small runs fails.
pub(crate) fn estimate(
    plan: &dyn Plan,
    kinds: &[(RunSpec, usize)],
    records: &Records,
    worker: &mut Worker,
) -> Result<Estimate, RunError> {
    let done = plan.done(records);
    let runs = plan.foreseen();
    let left = runs.saturating_sub(done);
    let mut whole = Cost::default();
    if left > 0 {
        let mut pieces = Pieces::new(worker);
        for (spec, count) in kinds {
            let count = *count as f64;
            let cost = cost(&mut pieces, spec, kinds)?;
            whole.duration += cost.duration * count;
            let energy = cost.energy.map(|energy| times(energy, count));
            whole.energy = Energy::total(whole.energy.into_iter().chain(energy));
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
        energy: whole.energy.map(|energy| times(energy, share)),
    })
}

/// The cost of one run.
fn cost(
    pieces: &mut Pieces<'_>,
    spec: &RunSpec,
    kinds: &[(RunSpec, usize)],
) -> Result<Cost, RunError> {
    match &spec.task {
        Task::Train(task) => training::cost(pieces, spec, task),
        Task::Serve(task) => {
            let load = pieces.load(spec, &task.network, kinds)?;
            queue::cost(pieces, spec, task, load)
        }
        Task::Evaluate(task) => {
            let [_, side] = models::image_shape(&task.data).unwrap_or([1, 1]);
            let network = (task.network.as_str(), task.text.as_deref());
            let batch = task.batch.min(task.images);
            let (duration, energy) = pieces.batch(spec, network, side, batch)?;
            let batches = task.images as f64 / batch.max(1) as f64;
            Ok(Cost {
                duration: duration * (batches + f64::from(task.warmup_batches)),
                energy: energy.map(|energy| times(energy, batches)),
            })
        }
        Task::Infer(task) => {
            let load = pieces.load(spec, &task.network, kinds)?;
            let (duration, energy) = pieces.batch(
                spec,
                (&task.network, task.text.as_deref()),
                task.image_side,
                task.batch,
            )?;
            Ok(Cost {
                duration: load + duration * f64::from(task.batches + task.warmup_batches),
                energy: energy.map(|energy| times(energy, f64::from(task.batches))),
            })
        }
    }
}
