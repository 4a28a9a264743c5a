//! The driver: asks the experiments for their next runs, has an executor do them, and keeps their
//! records in the journal.

use meter::Meter;
use record::{Energy, Journal, JournalError, RunRecord, RunSpec, Seconds, SpanEnergy};

use crate::{
    executor::{Assignment, Event, ExecuteError, Executor, RunCounts},
    experiment::{Plan, PlanError, Records},
    interrupt::Interrupt,
    output::line,
};

/// Why a study stopped before its end. Finished runs are in the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// The user or the system asked the program to stop.
    #[error("interrupted")]
    Interrupted,
    /// A record could not be appended to the journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An experiment could not choose its next run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run or its executor failed.
    #[error(transparent)]
    Execute(ExecuteError),
}

impl From<ExecuteError> for DriveError {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Interrupted => Self::Interrupted,
            error => Self::Execute(error),
        }
    }
}

/// Is told what happens while the driver works, to show it to people and other programs.
pub trait DriverObserver {
    /// The number of queued, running or lost runs may have changed.
    fn standing(&mut self, standing: RunCounts);

    /// A run has ended, and its record is in the journal.
    fn finished(&mut self, record: &RunRecord);

    /// The study was interrupted, and the executor stops the runs under way.
    fn stopping(&mut self);
}

/// Drives the experiments of a study: asks their plans for runs, hands these to an executor and
/// appends each record to the journal.
pub struct Driver<'a> {
    /// The experiments, in the order in which they are asked for runs.
    pub plans: &'a [&'a dyn Plan],
    /// The records in the journal.
    pub records: &'a mut Records,
    /// Every new record is appended here before more runs are asked for.
    pub journal: &'a mut Journal,
    /// Measures the energy of choosing the next runs (span `plan`).
    pub meter: &'a Meter,
    /// Checked before each step; once it is set, the study stops.
    pub interrupt: &'a Interrupt,
    /// Is told what happens.
    pub observer: &'a mut dyn DriverObserver,
}

/// A plan, and whether it is worth asking.
struct PlanState<'a> {
    plan: &'a dyn Plan,
    /// Whether the plan may have runs that it did not have when it was asked last.
    may_have_more: bool,
}

impl Driver<'_> {
    /// Runs the experiments until every run is done.
    ///
    /// Each record is on disk before the next runs are asked for. The energy of choosing a run is
    /// measured, too, and becomes the span `plan` of its record.
    ///
    /// # Errors
    ///
    /// If a run or the journal fails, or on interruption. Runs that workers finish meanwhile are
    /// kept.
    pub fn run(&mut self, executor: &mut dyn Executor) -> Result<(), DriveError> {
        let ended = self.drive(executor);
        let interrupted = matches!(ended, Err(DriveError::Interrupted));
        if interrupted {
            self.observer.stopping();
        }
        let stopped = executor.stop(interrupted).map_err(DriveError::from).and_then(|records| {
            // A journal that failed takes no more records; they stay in the work folder.
            if matches!(ended, Err(DriveError::Journal(_))) {
                return Ok(());
            }
            records.into_iter().try_for_each(|record| self.keep(record, executor))
        });
        if let (Err(_), Err(error)) = (&ended, &stopped) {
            line(&format!("error while stopping: {error}"));
        }
        // The first error is the reason; a later one is only printed.
        ended.and(stopped)
    }

    fn drive(&mut self, executor: &mut dyn Executor) -> Result<(), DriveError> {
        let mut pending: Vec<RunSpec> = executor.unfinished()?;
        pending.retain(|spec| !self.records.contains(spec));
        let mut states: Vec<PlanState<'_>> =
            self.plans.iter().map(|plan| PlanState { plan: *plan, may_have_more: true }).collect();
        loop {
            if self.interrupt.is_set() {
                return Err(DriveError::Interrupted);
            }
            for state in &mut states {
                let room = executor.capacity().saturating_sub(pending.len());
                if room == 0 {
                    break;
                }
                if !state.may_have_more {
                    continue;
                }
                let runs = self.ask(state.plan, &pending, room)?;
                // A plan that filled less than the room has no more until one of its runs ends.
                state.may_have_more = runs.len() == room;
                pending.extend(runs.iter().map(|run| run.spec.clone()));
                if !runs.is_empty() {
                    executor.start(runs)?;
                }
            }
            self.observer.standing(executor.counts());
            match executor.wait()? {
                Event::Idle => return Ok(()),
                Event::Waiting => {}
                Event::Record(record) => {
                    pending.retain(|spec| *spec != record.spec);
                    for state in &mut states {
                        state.may_have_more |= state.plan.depends_on(&record.spec);
                    }
                    self.keep(*record, executor)?;
                }
            }
        }
    }

    /// Asks a plan for its next runs, at most `room`, and measures the energy of choosing them.
    fn ask(
        &self,
        plan: &dyn Plan,
        pending: &[RunSpec],
        room: usize,
    ) -> Result<Vec<Assignment>, PlanError> {
        let span = self.meter.span("plan");
        let specs = plan.next(self.records, pending, room)?;
        let cost = share(&SpanEnergy::from(&span.end()), specs.len());
        let run = |spec| Assignment { spec, plan: Some(cost.clone()), lost: 0 };
        Ok(specs.into_iter().map(run).collect())
    }

    /// Appends a record to the journal, unless its run is there already.
    fn keep(
        &mut self,
        mut record: RunRecord,
        executor: &mut dyn Executor,
    ) -> Result<(), DriveError> {
        if !self.records.contains(&record.spec) {
            self.records.place(&mut record);
            self.journal.append(&record)?;
            self.observer.standing(executor.counts());
            self.observer.finished(&record);
        }
        executor.acknowledge(&record.id)?;
        if !self.records.contains(&record.spec) {
            self.records.push_newest(record);
        }
        Ok(())
    }
}

/// The part of a span that falls to each of `runs` runs that were chosen in it.
fn share(span: &SpanEnergy, runs: usize) -> SpanEnergy {
    let part = 1.0 / runs.max(1) as f64;
    SpanEnergy {
        name: span.name.clone(),
        start: span.start,
        duration: Seconds(span.duration.0 * part),
        energy: span.energy.map(|energy| Energy {
            joules: energy.joules * part,
            uncertainty: energy.uncertainty * part,
            ..energy
        }),
    }
}

#[cfg(test)]
mod tests;
