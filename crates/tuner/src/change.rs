//! The steps by which a study changes, live and from its journal.

use hpo::{HpoError, Segment, Study};

use crate::{
    error::{TunerError, check},
    journal::Event,
    spec::StudySpec,
};

/// The study of a description, without trials.
pub(crate) fn study(spec: &StudySpec) -> Result<Study, TunerError> {
    let study = Study::new(spec.space()?, spec.sampler.sampler()?, spec.seed)
        .with_objectives(spec.objectives()?);
    let study = match &spec.pruner {
        Some(pruner) => {
            let resumes = pruner.resumes;
            let (pruner, rungs) = pruner.pruner()?;
            let study = study.with_pruner(pruner, rungs);
            if resumes { study } else { study.without_resuming() }
        }
        None => study,
    };
    Ok(match spec.budget_s.or(spec.budget_j) {
        Some(budget) => study.with_budget(budget),
        None => study,
    })
}

/// Ends a segment with its values, or as a failure, and adds its cost.
pub(crate) fn end(
    study: &mut Study,
    trial: u32,
    values: Option<&[f64]>,
    cost: Option<f64>,
) -> Result<(), TunerError> {
    match values {
        Some(values) => study.tell(trial, values)?,
        None => study.fail(trial)?,
    }
    if let Some(cost) = cost {
        study.pay(trial, cost)?;
    }
    Ok(())
}

pub(crate) fn check_cost(cost_j: Option<f64>) -> Result<(), TunerError> {
    let cost_j = cost_j.unwrap_or(0.0);
    check(cost_j >= 0.0 && cost_j.is_finite(), || {
        format!("`cost_j` is {cost_j}, expected joules: a finite number of at least 0")
    })
}

/// The event of a segment that begins.
pub(crate) fn asked(segment: &Segment, is_pruned: bool, queued: bool) -> Event {
    let until = is_pruned.then_some(segment.until);
    Event::Asked { trial: segment.number, parameters: segment.parameters.clone(), until, queued }
}

/// Reports values after a step. Values that are not finite (`None`) are left out; at the end of a
/// segment the trial then goes on to the next step at which trials are compared and, where there is
/// none, has failed.
pub(crate) fn report(
    study: &mut Study,
    trial: u32,
    step: u32,
    values: Option<&[f64]>,
    cost_j: Option<f64>,
) -> Result<(), TunerError> {
    if let Some(values) = values {
        study.report(trial, step, values)?;
    } else {
        let running = study.running().into_iter().find(|segment| segment.number == trial);
        let Segment { from, until, .. } = running.ok_or(HpoError::NotRunning { number: trial })?;
        if step <= from || step > until {
            return Err(HpoError::Step { number: trial, step, from, until }.into());
        }
        if step == until && study.extend(trial)?.is_none() {
            study.fail(trial)?;
        }
    }
    Ok(cost_j.map_or(Ok(()), |cost_j| study.pay(trial, cost_j))?)
}
