//! Executors: where runs are executed.

use std::collections::VecDeque;

use record::{RunRecord, RunSpec};

use crate::work::{RunError, Worker};

/// Where runs are executed. The driver hands out specs and takes back records; nothing else
/// crosses, so an executor may be a thread, a process or a cluster.
pub trait Executor {
    /// How many runs may be under way at once.
    fn capacity(&self) -> usize;

    /// Takes a run.
    fn start(&mut self, spec: RunSpec);

    /// Waits until a run has ended; `None` if none is under way.
    fn finished(&mut self) -> Option<Result<RunRecord, RunError>>;
}

/// One run at a time, in this process: nothing disturbs the measurement.
pub struct Local<'a> {
    worker: &'a mut Worker,
    waiting: VecDeque<RunSpec>,
}

impl<'a> Local<'a> {
    /// Runs with that worker.
    pub fn new(worker: &'a mut Worker) -> Self {
        Self { worker, waiting: VecDeque::new() }
    }
}

impl Executor for Local<'_> {
    fn capacity(&self) -> usize {
        1
    }

    fn start(&mut self, spec: RunSpec) {
        self.waiting.push_back(spec);
    }

    fn finished(&mut self) -> Option<Result<RunRecord, RunError>> {
        let spec = self.waiting.pop_front()?;
        Some(self.worker.run(&spec))
    }
}
