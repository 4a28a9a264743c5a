//! A study's journal: a line for what was opened, asked and told, in the order of arrival.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{request::StudySpec, spent::Spent};

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

/// A journal open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// What a journal holds, but for a line that was cut off.
    pub(super) fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
        let text =
            fs::read(path).with_context(|| format!("failed to read `{}`", path.display()))?;
        let whole = text.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        events(path, &text[..whole])
    }

    /// Opens or creates a journal; what it holds so far. A last line that was cut off by a kill is
    /// dropped.
    pub(super) fn open(path: &Path) -> anyhow::Result<(Self, Vec<Event>)> {
        let shown = path.display();
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("failed to read `{shown}`")),
        };
        let whole = text.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let events = events(path, &text[..whole])?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.with_context(|| format!("failed to open `{shown}`"))?;
        file.set_len(whole as u64).with_context(|| format!("failed to write `{shown}`"))?;
        Ok((Self { path: path.to_owned(), file }, events))
    }

    /// Appends a line and waits until it is on the disk.
    pub(super) fn append(&mut self, event: &Event) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .with_context(|| format!("failed to write `{}`", self.path.display()))
    }
}

fn events(path: &Path, text: &[u8]) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    for (index, line) in String::from_utf8_lossy(text).lines().enumerate() {
        let event: Value = serde_json::from_str(line).unwrap_or(Value::Null);
        match serde_json::from_value(event) {
            Ok(event) => events.push(event),
            Err(error) => bail!(
                "`{}` line {} is no line of a study's journal ({error}); name another file",
                path.display(),
                index + 1
            ),
        }
    }
    Ok(events)
}
