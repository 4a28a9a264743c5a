//! Small versions of runs, from which costs are scaled up.

use record::{
    Arrivals, BatchPolicy, Energy, InferTask, InferencePrecision, Outcome, RunRecord, RunSpec,
    Seconds, ServeTask, Task,
};

use crate::work::{RunError, Worker};

/// The cost of one run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) duration: Seconds,
    /// `None` where nothing can be measured or estimated.
    pub(super) energy: Option<Energy>,
}

/// An energy times a factor, with its uncertainty.
pub(super) fn times(energy: Energy, factor: f64) -> Energy {
    Energy { joules: energy.joules * factor, uncertainty: energy.uncertainty * factor, ..energy }
}

/// Small versions of runs ("pieces"), each done once.
pub(super) struct Pieces<'a> {
    worker: &'a mut Worker,
    done: Vec<RunRecord>,
}

/// A main span shorter than this is too short to scale up.
pub(super) const SHORT: Seconds = Seconds(0.1);

impl<'a> Pieces<'a> {
    /// No piece has been done yet.
    pub(super) fn new(worker: &'a mut Worker) -> Self {
        Self { worker, done: Vec::new() }
    }

    /// Does a small run, unless it has been done before.
    pub(super) fn run(&mut self, spec: &RunSpec) -> Result<RunRecord, RunError> {
        if let Some(record) = self.done.iter().find(|record| record.spec == *spec) {
            return Ok(record.clone());
        }
        let record = self.worker.trial(spec)?;
        self.done.push(record.clone());
        Ok(record)
    }

    /// The time and energy of one batch after warm-up.
    pub(super) fn batch(
        &mut self,
        spec: &RunSpec,
        (network, text): (&str, Option<&str>),
        image_side: usize,
        batch: usize,
    ) -> Result<(Seconds, Option<Energy>), RunError> {
        let precision = match &spec.task {
            Task::Serve(task) => task.precision,
            Task::Infer(task) => task.precision,
            Task::Evaluate(task) => task.precision,
            Task::Train(_) => InferencePrecision::default(),
        };
        let piece = |batches: u32| {
            let (network, text) = (network.to_owned(), text.map(str::to_owned));
            let task = InferTask {
                network,
                text,
                published: None,
                image_side,
                batch,
                batches,
                warmup_batches: 1,
                precision,
            };
            // The seed does not change what a batch costs.
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
        Ok((record.timing.main * each, record.energy.total.map(|energy| times(energy, each))))
    }

    /// The time and energy of one batch of a queue after warm-up, including the preparation of its
    /// photographs.
    pub(super) fn served(
        &mut self,
        spec: &RunSpec,
        task: &ServeTask,
        batch: usize,
    ) -> Result<(Seconds, Option<Energy>), RunError> {
        let piece = |batches: usize| {
            // All requests arrive at once.
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
        Ok((record.timing.main * each, record.energy.total.map(|energy| times(energy, each))))
    }

    /// The time to load a network before each run. If an experiment's networks do not all fit into
    /// memory, each run builds its network again.
    pub(super) fn load(
        &mut self,
        spec: &RunSpec,
        network: &str,
        kinds: &[(RunSpec, usize)],
    ) -> Result<Seconds, RunError> {
        let mut names: Vec<(&str, Option<&str>, usize)> = kinds
            .iter()
            .filter_map(|(spec, _)| match &spec.task {
                Task::Serve(task) => Some((task.network.as_str(), None, task.image_side)),
                Task::Infer(task) => {
                    Some((task.network.as_str(), task.text.as_deref(), task.image_side))
                }
                Task::Train(_) | Task::Evaluate(_) => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        // A network is built with its first piece.
        let mut parameters = 0;
        for (name, text, side) in names {
            self.batch(spec, (name, text), side, 1)?;
            parameters += self.pieces_of(name).find_map(size).unwrap_or(0);
        }
        let loads = self
            .pieces_of(network)
            .filter_map(|record| Some(record.energy.span_named("load")?.duration));
        let (longest, last) = loads.fold((Seconds(0.0), Seconds(0.0)), |(longest, _), load| {
            (if load > longest { load } else { longest }, load)
        });
        Ok(if Worker::keeps(parameters) { last } else { longest })
    }

    fn pieces_of(&self, name: &str) -> impl Iterator<Item = &RunRecord> {
        self.done.iter().filter(move |record| match &record.spec.task {
            Task::Infer(task) => task.network == name,
            _ => false,
        })
    }
}

fn size(piece: &RunRecord) -> Option<usize> {
    match &piece.outcome {
        Outcome::Inferred(outcome) => Some(outcome.parameters),
        _ => None,
    }
}
