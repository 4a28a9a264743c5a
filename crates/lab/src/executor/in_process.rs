//! Does runs in this process, one after the other.

use std::collections::VecDeque;

use record::{RunId, RunRecord};

use super::{Assignment, Event, ExecuteError, Executor, RunCounts};
use crate::work::{RunError, Worker};

/// Does runs in this process, one after the other, so that they do not disturb each other.
pub struct InProcess<'a> {
    worker: &'a mut Worker,
    waiting: VecDeque<Assignment>,
}

impl<'a> InProcess<'a> {
    /// Does runs with this worker.
    pub fn new(worker: &'a mut Worker) -> Self {
        Self { worker, waiting: VecDeque::new() }
    }
}

impl Executor for InProcess<'_> {
    fn capacity(&self) -> usize {
        1
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        self.waiting.extend(runs);
        Ok(())
    }

    fn wait(&mut self) -> Result<Event, ExecuteError> {
        let Some(run) = self.waiting.pop_front() else { return Ok(Event::Idle) };
        match self.worker.run(&run.spec) {
            Ok(mut record) => {
                record.energy.spans.splice(0..0, run.plan);
                Ok(Event::Record(Box::new(record)))
            }
            Err(RunError::Interrupted) => Err(ExecuteError::Interrupted),
            Err(source) => Err(ExecuteError::Run { id: run.spec.id(), source }),
        }
    }

    fn acknowledge(&mut self, _: &RunId) -> Result<(), ExecuteError> {
        Ok(())
    }

    fn counts(&self) -> RunCounts {
        RunCounts { running: self.waiting.len(), ..RunCounts::default() }
    }

    fn stop(&mut self, _: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        self.waiting.clear();
        Ok(Vec::new())
    }
}
