//! What a study's budget and time limits mean for a run of its command.

use std::time::Duration;

use anyhow::anyhow;
use tuner::OpenStudy;

use super::trial::Runner;
use crate::Failure;

/// How long a run of the command may take, and whether that is what is left of the budget's seconds.
pub(super) fn limit(runner: &Runner<'_>, study: &OpenStudy) -> (Option<Duration>, bool) {
    let description = runner.description;
    let own = description.trial_timeout_s.map(Duration::from_secs_f64);
    let left = description.budget.seconds_left(study).map(Duration::from_secs_f64);
    let limit = own.into_iter().chain(left).min();
    (limit, left.is_some() && left == limit && own != limit)
}

/// Why a study ends whose seconds were used up while a trial ran.
pub(super) fn out_of_seconds(trial: u32) -> String {
    format!(
        "the budget's seconds are used up; trial {trial} was ended, and runs again if the study goes on \
         with a larger budget"
    )
}

/// A budget of joules that would never be used up.
pub(super) fn no_joules() -> Failure {
    Failure::run_time(anyhow!(
        "`budget` limits energy, and no probe measures the energy of a trial here; see `wattlab probes`, \
         or give `seconds` or `trials` (the trial is in the journal)"
    ))
}
