//! A study that several processes share through its journal.

mod leases;
mod workers;

use hpo::Segment;
use serde_json::Value;
use tuner::OpenStudy;

pub(super) use self::{
    leases::Leases,
    workers::{follow_parent, run},
};
use crate::{Failure, progress};

/// A trial is given up when this many workers died while they ran it.
const TRIES: u32 = 3;

/// The next running segment whose worker is dead, leased for this one.
///
/// # Errors
///
/// If leases or the journal cannot be read or written.
pub(super) fn orphan(study: &mut OpenStudy, leases: &Leases) -> Result<Option<Segment>, Failure> {
    let all = leases.all().map_err(Failure::run_time)?;
    for segment in study.running() {
        let lease = all.get(&segment.number);
        if lease.is_some_and(|lease| lease.alive) {
            continue;
        }
        let lost = lease.map_or(0, |lease| lease.lost + 1);
        let number = segment.number;
        if lost >= TRIES {
            progress::line(&format!(
                "trial {number}: {lost} workers died while they ran it, so it counts as failed"
            ));
            study.tell(number, &Value::Null, None).map_err(Failure::run_time)?;
            continue;
        }
        if lost > 0 {
            progress::line(&format!("trial {number}: its worker died, so it runs again"));
        }
        leases.take(number, lost).map_err(Failure::run_time)?;
        leases.bury().map_err(Failure::run_time)?;
        return Ok(Some(segment));
    }
    leases.bury().map_err(Failure::run_time)?;
    Ok(None)
}

/// Leases a segment that was just asked for.
///
/// # Errors
///
/// If the lease cannot be written.
pub(super) fn lease(leases: &Leases, segment: &Segment) -> Result<(), Failure> {
    leases.take(segment.number, 0).map_err(Failure::run_time)
}

/// Whether another living worker runs a trial, whose end may let a study go on.
///
/// # Errors
///
/// If the leases cannot be read.
pub(super) fn others_run(study: &OpenStudy, leases: &Leases) -> Result<bool, Failure> {
    let all = leases.all().map_err(Failure::run_time)?;
    let running = study.running();
    Ok(running.iter().any(|segment| all.get(&segment.number).is_some_and(|lease| lease.alive)))
}
