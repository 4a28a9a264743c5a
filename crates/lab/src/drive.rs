//! Drives experiments to their end: asks for the next runs, has them executed, keeps their records.

use meter::Meter;
use record::{Experiment, Journal, JournalError, RunId, RunSpec, SpanEnergy};

use crate::{
    executor::Executor,
    experiment::{Plan, PlanError, Records},
    interrupt::Interrupt,
    progress::Progress,
    work::RunError,
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
    #[error("run {id} failed")]
    Run {
        /// Which.
        id: RunId,
        /// Why.
        source: RunError,
    },
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

/// Runs an experiment until none of its runs is left.
///
/// Each record is on disk before the next spec is asked for. What it cost to choose a spec is
/// measured too and goes into its record as the span `plan`.
///
/// # Errors
///
/// If a run or the journal fails, or on interruption.
pub fn drive(
    plan: &dyn Plan,
    records: &mut Records,
    journal: &mut Journal,
    executor: &mut dyn Executor,
    meter: &Meter,
    interrupt: &Interrupt,
) -> Result<(), DriveError> {
    let done: Vec<_> = records.all().iter().filter(|it| plan.owns_record(it)).collect();
    let mut progress = Progress::new(title(plan.experiment()), plan.total(), &done);
    let mut pending: Vec<(RunSpec, SpanEnergy)> = Vec::new();
    loop {
        if interrupt.is_set() {
            return Err(DriveError::Interrupted);
        }
        while pending.len() < executor.capacity() {
            let running: Vec<RunSpec> = pending.iter().map(|(spec, _)| spec.clone()).collect();
            let span = meter.span("plan");
            let next = plan.next(records, &running, 1)?.pop();
            let cost = SpanEnergy::from(&span.end());
            let Some(spec) = next else { break };
            executor.start(spec.clone());
            pending.push((spec, cost));
        }
        let Some(result) = executor.finished() else { break };
        let mut record = result.map_err(|source| match (source, pending.first()) {
            (RunError::Interrupted, _) | (_, None) => DriveError::Interrupted,
            (source, Some((spec, _))) => DriveError::Run { id: spec.id(), source },
        })?;
        if let Some(at) = pending.iter().position(|(spec, _)| *spec == record.spec) {
            record.energy.spans.insert(0, pending.remove(at).1);
        }
        record.timing.order = records.all().len() as u64;
        journal.append(&record)?;
        progress.finished(&record);
        records.push(record);
    }
    progress.end();
    Ok(())
}
