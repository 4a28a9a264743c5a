//! Checks the records that workers deliver.

use std::path::Path;

use record::{EnergyReport, RunRecord};
use units::limits;

use crate::executor::files::{FolderError, read};

/// A record that could be in a journal and that hardware can have caused.
pub(super) fn sound_record(path: &Path) -> Result<RunRecord, FolderError> {
    let record: RunRecord = read(path)?;
    let damaged = |reason: String| FolderError::Damaged { path: path.to_owned(), reason };
    if let Some(fault) = record.fault() {
        return Err(damaged(fault.to_string()));
    }
    impossible(&record).map_or(Ok(()), |reason| Err(damaged(reason)))?;
    Ok(record)
}

/// Energy that a run may have beside its duration times the highest power of a machine: counters are read a little
/// before and after.
const SLACK_J: f64 = 1e6;

/// Why a record cannot be true; `None` if it can.
fn impossible(record: &RunRecord) -> Option<String> {
    let duration = record.timing.duration.0;
    if !(0.0..=limits::DURATION_S.max()).contains(&duration) {
        return Some(format!("its run took {duration} s"));
    }
    if !record.timing.started_unix_s.is_finite() {
        return Some("the time at which its run started is not a number".to_owned());
    }
    let highest = limits::MACHINE_POWER_W.max() * duration + SLACK_J;
    let EnergyReport { total, domains, spans, .. } = &record.energy;
    let total = total.iter().map(|energy| energy.joules.0);
    let domains = domains.iter().map(|domain| domain.joules.0);
    let spans = spans.iter().filter_map(|span| Some(span.energy?.joules.0));
    let found = total.chain(domains).chain(spans).find(|joules| !(0.0..=highest).contains(joules));
    found.map(|joules| {
        format!("it claims {joules:e} J in {duration:.3} s, expected 0 to {highest:e} J")
    })
}
