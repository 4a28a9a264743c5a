//! How far each trial has come.

use hpo::{Trial, TrialState};
use tuner::OpenStudy;

/// The states, in the order shown, as words.
pub(super) const STATES: [&str; 4] = ["completed", "stopped early", "failed", "running"];

/// The state of a trial as a word.
pub(super) fn word(trial: &Trial) -> &'static str {
    match trial.state {
        TrialState::Completed => STATES[0],
        TrialState::Paused => STATES[1],
        TrialState::Failed => STATES[2],
        _ => STATES[3],
    }
}

/// How many trials are in each state: `12 completed, 3 stopped early, 1 failed`.
pub(super) fn counts(study: &OpenStudy) -> String {
    let count = |state: &str| study.trials().filter(|trial| word(trial) == state).count();
    let parts = STATES.into_iter().map(|state| (count(state), state));
    let parts: Vec<String> = parts
        .filter(|(count, state)| *count > 0 || *state == STATES[0])
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    parts.join(", ")
}

/// The names of the objectives: `value`, or `objective 1`, `objective 2`, ….
pub(super) fn objectives(study: &OpenStudy) -> Vec<String> {
    match study.objectives() {
        1 => vec!["value".to_owned()],
        count => (1..=count).map(|number| format!("objective {number}")).collect(),
    }
}
