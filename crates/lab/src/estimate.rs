//! What an experiment will cost: a short calibration of each kind of run, scaled up.

use std::time::Duration;

use record::{Energy, Experiment, InferTask, RunRecord, RunSpec, Seconds, Task, TrainTask};
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
#[derive(Clone, Copy, Debug)]
struct Cost {
    duration: Seconds,
    energy: Option<Energy>,
}

/// Estimates what is left of an experiment by running a small piece of each kind of run.
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
    let mut whole = Cost { duration: Seconds(0.0), energy: None };
    if left > 0 {
        let mut pieces: Vec<(RunSpec, RunRecord)> = Vec::new();
        for (spec, count) in plan.kinds() {
            let piece = piece(&spec);
            let record = match pieces.iter().find(|(done, _)| *done == piece) {
                Some((_, record)) => record.clone(),
                None => {
                    let record = worker.trial(&piece)?;
                    pieces.push((piece, record.clone()));
                    record
                }
            };
            let cost = scale(&spec, &record);
            whole.duration += cost.duration * count as f64;
            whole.energy = Energy::total(
                whole.energy.into_iter().chain(cost.energy.map(|it| times(it, count as f64))),
            );
        }
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

/// A small piece of a run that costs about a second or less.
fn piece(spec: &RunSpec) -> RunSpec {
    let task = match &spec.task {
        Task::Train(task) => {
            let mut data = task.data.clone();
            data.train = data.train.min(4 * task.minibatch);
            data.validation = data.validation.min(1);
            data.test = data.test.min(256);
            Task::Train(TrainTask { data, epochs: 2, trial: None, ..task.clone() })
        }
        Task::Serve(task) => Task::Infer(InferTask {
            network: task.network.clone(),
            image_side: task.image_side,
            batch: 8,
            batches: 1,
            warmup_batches: 1,
        }),
        Task::Infer(task) => {
            Task::Infer(InferTask { batches: 1, warmup_batches: 1, ..task.clone() })
        }
    };
    RunSpec { task, ..spec.clone() }
}

/// The cost of a whole run from that of its piece.
fn scale(spec: &RunSpec, piece: &RunRecord) -> Cost {
    let main = piece.timing.main;
    match (&spec.task, &piece.spec.task) {
        (Task::Train(whole), Task::Train(part)) => {
            // The second epoch is warm.
            let epoch = piece.energy.span_named("fit/epoch-1");
            let images = whole.data.train as f64 * f64::from(whole.epochs) / part.data.train as f64;
            let evaluated = (whole.data.validation + whole.data.test) as f64
                / (part.data.validation + part.data.test) as f64;
            let evaluation =
                piece.energy.span_named("evaluate").map_or(Seconds(0.0), |it| it.duration);
            Cost {
                duration: epoch.map_or(main, |it| it.duration) * images + evaluation * evaluated,
                energy: epoch.and_then(|it| it.energy).map(|it| times(it, images)),
            }
        }
        (Task::Serve(whole), Task::Infer(part)) => {
            let images = whole.arrivals.requests as f64 / part.batch as f64;
            let arriving = Seconds(whole.arrivals.requests as f64 / whole.arrivals.rate);
            let serving = main * images;
            let duration = if serving > arriving { serving } else { arriving };
            Cost {
                duration: duration + main * f64::from(whole.warmup_batches),
                energy: piece.energy.total.map(|it| times(it, images)),
            }
        }
        (Task::Infer(whole), _) => Cost {
            duration: main * f64::from(whole.batches + whole.warmup_batches),
            energy: piece.energy.total.map(|it| times(it, f64::from(whole.batches))),
        },
        // A piece is always made from its whole.
        _ => Cost { duration: main, energy: piece.energy.total },
    }
}
