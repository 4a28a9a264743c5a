//! A study's journal: a line for what was opened, asked and told, in the order of arrival.

use std::path::Path;

use anyhow::anyhow;
use record::{JournalError, Lines};
use serde::{Deserialize, Serialize};

use super::{request::StudySpec, spent::Spent};
use crate::progress;

/// A line.
#[derive(Debug, Deserialize, Serialize, PartialEq)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(super) enum Event {
    Study(StudySpec),
    /// Parameters as numbers, in the space's order; choices by index.
    Asked {
        trial: u32,
        parameters: Vec<f64>,
        /// Up to which step, in a study with a pruner; a trial that goes on is asked for again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u32>,
    },
    /// The client's values after a step.
    Reported {
        trial: u32,
        step: u32,
        values: Vec<f64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cost_j: Option<f64>,
    },
    /// The client's values; none of a failed trial.
    Told {
        trial: u32,
        values: Option<Vec<f64>>,
        cost_j: Option<f64>,
    },
    /// What a leg of a trial took; without a number, the search for its parameters.
    Spent {
        trial: Option<u32>,
        #[serde(flatten)]
        spent: Spent,
    },
}

/// A journal open for appending: sealed lines, one writer, each line on the disk before the answer.
#[derive(Debug)]
pub(super) struct Journal(Lines);

impl Journal {
    /// What a journal holds, but for a line that was cut off.
    pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
        Lines::read(path).map_err(of_a_study)
    }

    /// Opens or creates a journal; what it holds so far. A last line that was cut off by a kill is
    /// dropped.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, Vec<Event>)> {
        let (lines, events, torn) = Lines::open(path).map_err(of_a_study)?;
        if let Some(torn) = torn {
            progress::line(&format!(
                "journal: cut off an unfinished last line of {} bytes",
                torn.bytes
            ));
        }
        Ok((Self(lines), events))
    }

    /// Appends a line and waits until it is on the disk.
    pub(super) fn append(&mut self, event: &Event) -> anyhow::Result<()> {
        Ok(self.0.append(event)?)
    }
}

/// A study is replayed line by line: one that is damaged cannot be moved aside.
fn of_a_study(error: JournalError) -> anyhow::Error {
    match error {
        JournalError::Damaged { path, damage } => {
            let lines = damage.iter().map(|it| format!("line {}: {}", it.line, it.fault));
            anyhow!(
                "`{}` is no study's journal, or a damaged one ({}); name another file",
                path.display(),
                lines.collect::<Vec<_>>().join("; ")
            )
        }
        other => other.into(),
    }
}
