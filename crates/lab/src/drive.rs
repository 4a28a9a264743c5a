//! Drives experiments to their end: asks for the next runs, has them executed, keeps their records.

use meter::Meter;
use record::{Energy, Experiment, Journal, JournalError, RunRecord, RunSpec, Seconds, SpanEnergy};

use crate::{
    executor::{Assignment, Event, ExecuteError, Executor},
    experiment::{Plan, PlanError, Records},
    interrupt::Interrupt,
    progress::{Progress, line},
};

/// Why a study stopped before its end. What was finished is in the journal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriveError {
    /// Somebody asked for it.
    #[error("interrupted")]
    Interrupted,
    /// The journal cannot take more.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An experiment cannot go on.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A run failed.
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

/// A short name of an experiment for the terminal.
#[must_use]
pub fn title(experiment: Experiment) -> &'static str {
    match experiment {
        Experiment::Tuning => "RQ1 tuning",
        Experiment::Layers => "RQ2, RQ3 layers",
        Experiment::Batching => "RQ4 batching",
        Experiment::Timeline => "RQ5 timeline",
    }
}

/// What a study is made of while it runs.
pub struct Study<'a> {
    /// Its experiments, in the order in which they are asked for runs.
    pub plans: &'a [&'a dyn Plan],
    /// What is done.
    pub records: &'a mut Records,
    /// Where it is kept.
    pub journal: &'a mut Journal,
    /// Measures what it costs to choose runs.
    pub meter: &'a Meter,
    /// Whether somebody asked for an end.
    pub interrupt: &'a Interrupt,
    /// What people see.
    pub progress: &'a mut Progress,
}

/// An experiment under way.
struct Asked<'a> {
    plan: &'a dyn Plan,
    /// Whether it may have runs to hand out that it did not have when it was asked last.
    fresh: bool,
}

impl Study<'_> {
    /// Runs the experiments until none of their runs is left.
    ///
    /// Each record is on disk before the next spec is asked for. What it cost to choose a spec is
    /// measured too and goes into its record as the span `plan`.
    ///
    /// # Errors
    ///
    /// If a run or the journal fails, or on interruption. What workers finished meanwhile is kept.
    pub fn run(&mut self, executor: &mut dyn Executor) -> Result<(), DriveError> {
        let ended = self.drive(executor);
        let now = matches!(ended, Err(DriveError::Interrupted));
        if now {
            self.progress.stopping();
        }
        let left = executor.stop(now).map_err(DriveError::from).and_then(|records| {
            // A journal that failed keeps nothing any more: records wait where they are.
            if matches!(ended, Err(DriveError::Journal(_))) {
                return Ok(());
            }
            records.into_iter().try_for_each(|it| self.keep(it, executor))
        });
        if let (Err(_), Err(error)) = (&ended, &left) {
            line(&format!("while stopping: {error}"));
        }
        // What came first is the reason.
        ended.and(left)
    }

    fn drive(&mut self, executor: &mut dyn Executor) -> Result<(), DriveError> {
        let mut pending: Vec<RunSpec> = executor.unfinished()?;
        pending.retain(|it| !self.records.contains(it));
        let mut plans: Vec<Asked<'_>> =
            self.plans.iter().map(|plan| Asked { plan: *plan, fresh: true }).collect();
        loop {
            if self.interrupt.is_set() {
                return Err(DriveError::Interrupted);
            }
            for asked in &mut plans {
                let room = executor.capacity().saturating_sub(pending.len());
                if room == 0 {
                    break;
                }
                if !asked.fresh {
                    continue;
                }
                let runs = self.ask(asked.plan, &pending, room)?;
                // One that had fewer has more only after another record of its own, if at all.
                asked.fresh = runs.len() == room;
                pending.extend(runs.iter().map(|it| it.spec.clone()));
                if !runs.is_empty() {
                    executor.start(runs)?;
                }
            }
            self.progress.standing(executor.counts());
            match executor.wait()? {
                Event::Idle => return Ok(()),
                Event::Waiting => {}
                Event::Record(record) => {
                    pending.retain(|it| *it != record.spec);
                    for asked in &mut plans {
                        asked.fresh |= !asked.plan.is_fixed() && asked.plan.owns(&record.spec);
                    }
                    self.keep(*record, executor)?;
                }
            }
        }
    }

    /// Asks a plan for its next runs, and measures what that costs.
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

    /// Puts a record into the journal, unless it is there.
    fn keep(
        &mut self,
        mut record: RunRecord,
        executor: &mut dyn Executor,
    ) -> Result<(), DriveError> {
        if !self.records.contains(&record.spec) {
            record.timing.order = self.records.all().len() as u64;
            self.journal.append(&record)?;
            self.progress.standing(executor.counts());
            self.progress.finished(&record);
        }
        executor.acknowledge(&record.id)?;
        if !self.records.contains(&record.spec) {
            self.records.push(record);
        }
        Ok(())
    }
}

/// What was spent for several runs at once, for each of them.
fn share(span: &SpanEnergy, runs: usize) -> SpanEnergy {
    let part = 1.0 / runs.max(1) as f64;
    SpanEnergy {
        name: span.name.clone(),
        start: span.start,
        duration: Seconds(span.duration.0 * part),
        energy: span.energy.map(|it| Energy {
            joules: it.joules * part,
            uncertainty: it.uncertainty * part,
            ..it
        }),
    }
}

#[cfg(test)]
mod tests;
