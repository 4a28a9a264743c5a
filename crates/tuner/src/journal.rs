//! The journal of a study: a line for everything that was asked and told, in the order of arrival.

use std::path::Path;

use record::{JournalError, Lines};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{error::TunerError, spec::StudySpec, spent::Spent};

/// A line of the journal.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Event {
    /// The description of the study: the first line, and again where its space was changed.
    Study(StudySpec),
    /// A trial was started or resumed. Parameters are numbers in the order of the space; choices are
    /// indices.
    Asked {
        trial: u32,
        parameters: Vec<f64>,
        /// The step at which the segment ends; `None` in a study without a pruner.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u32>,
        /// Whether the parameters are those of the first queued trial.
        #[serde(default, skip_serializing_if = "is_false")]
        queued: bool,
    },
    /// Parameters of a trial that is to be run before the search goes on; the search chooses those
    /// that are left out.
    Enqueued { params: Map<String, Value> },
    /// A trial that was evaluated elsewhere; without values it failed there.
    Added {
        trial: u32,
        parameters: Vec<f64>,
        values: Option<Vec<f64>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_j: Option<f64>,
    },
    /// The client's values after a step; `None` if they were not finite.
    Reported {
        trial: u32,
        step: u32,
        values: Option<Vec<f64>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_j: Option<f64>,
    },
    /// The client's values at the end of a segment; `None` if the trial failed.
    Told { trial: u32, values: Option<Vec<f64>>, cost_j: Option<f64> },
    /// What a segment of a trial cost or, without a trial, the search for its parameters.
    Spent {
        trial: Option<u32>,
        #[serde(flatten)]
        spent: Spent,
    },
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A journal open for writing: sealed lines, one writer, each line on disk before the answer.
#[derive(Debug)]
pub(crate) struct Journal(Lines);

impl Journal {
    /// The events of a journal, which is not locked. An unfinished last line is ignored.
    pub(crate) fn read(path: &Path) -> Result<Vec<Event>, TunerError> {
        Lines::read(path).map_err(of_a_study)
    }

    /// Opens or creates a journal. Returns its events, and the length in bytes of an unfinished last
    /// line that was removed, if a kill left one.
    pub(crate) fn open(path: &Path) -> Result<(Self, Vec<Event>, Option<u64>), TunerError> {
        let (lines, events, torn) = Lines::open(path).map_err(of_a_study)?;
        Ok((Self(lines), events, torn.map(|torn| torn.bytes)))
    }

    /// Appends a line and waits until it is on disk.
    pub(crate) fn append(&mut self, event: &Event) -> Result<(), TunerError> {
        Ok(self.0.append(event)?)
    }
}

/// A study is replayed line by line, so damaged lines cannot be moved aside as in a journal of runs.
fn of_a_study(error: JournalError) -> TunerError {
    match error {
        JournalError::Damaged { path, damage } => {
            let lines =
                damage.iter().map(|damage| format!("line {}: {}", damage.line, damage.fault));
            TunerError::NotAStudy { path, damage: lines.collect::<Vec<_>>().join("; ") }
        }
        other => other.into(),
    }
}
