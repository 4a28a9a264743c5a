//! Errors of journals, and damage in them.

use std::{fmt, io, path::PathBuf};

use crate::{RECORD_SCHEMA, RunId};

/// Why a journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The operating system reported an error.
    #[error("failed to {action} journal `{}`; check that its folder exists and is writable and that the disk is not full", path.display())]
    Io {
        /// What failed: `read`, `append to`, ….
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Another process has the journal open for writing.
    #[error("journal `{}` is in use by another process; wait until it has finished, or choose another folder", path.display())]
    Locked {
        /// The journal.
        path: PathBuf,
    },
    /// The file system cannot lock files, so that another process could write the journal at the same time.
    #[error("the file system of journal `{}` has no locks, so two processes could write it at once; keep it on one that has, such as a local disk, and copy it afterwards", path.display())]
    NoLocks {
        /// The journal.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Some lines are not as they were written.
    #[error("journal `{}` is damaged: {}; move the damaged lines aside with `wattlab journal repair`, or restore the file from a copy", path.display(), listed(damage))]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The damaged lines in order, at least one.
        damage: Vec<Damage>,
    },
    /// A line was written by a newer version of wattlab.
    #[error("line {line} of journal `{}` has schema `{found}`, expected `{RECORD_SCHEMA}` or older; read it with the version of wattlab that wrote it, or move such lines aside with `wattlab journal repair --newer`", path.display())]
    Schema {
        /// The journal.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// Its schema.
        found: String,
    },
    /// The file is not as this process left it.
    #[error("journal `{}` {how} while it was in use; what this process would have lost is in `{}`: put it in place, or add it with `wattlab journal merge`, and run again", path.display(), rescued.display())]
    Changed {
        /// The journal.
        path: PathBuf,
        /// What happened to it.
        how: String,
        /// The file with the lines that are not in the journal now.
        rescued: PathBuf,
    },
    /// An earlier write failed and could not be rolled back, so that what follows the last whole line
    /// on disk is unknown. Opening the journal again removes it.
    #[error("a write to journal `{}` failed and could not be rolled back; free disk space, check the disk and run again: the unfinished line is then removed", path.display())]
    Poisoned {
        /// The journal.
        path: PathBuf,
    },
}

/// A line that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The length or the checksum in its seal does not match its bytes.
    Seal,
    /// It has no seal, although an earlier line has one.
    Unsealed,
    /// It is not the JSON of a record; the parser's message.
    Json(String),
    /// Its schema, which is not one of wattlab's.
    Schema(String),
    /// Its schema, which belongs to a newer version of wattlab. The line is not damaged, but this
    /// version cannot read it.
    Newer(String),
    /// Its id does not belong to its spec.
    Id {
        /// The id in the line.
        says: RunId,
        /// The id of its spec.
        is: RunId,
    },
    /// Nothing, but it was to be moved.
    Chosen,
    /// An earlier line has the same id. The earlier line counts.
    Doubled {
        /// The earlier line.
        first: u64,
    },
}

impl Fault {
    /// The fault of a line that cannot be parsed.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        // A line is always line 1 of its own text.
        let text = error.to_string();
        match text.split_once(" at line ") {
            Some((reason, _)) => Self::Json(format!("{reason} at byte {}", error.column())),
            None => Self::Json(text),
        }
    }

    /// The name of the fault in `--json` output.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Unsealed => "unsealed",
            Self::Json(_) => "json",
            Self::Schema(_) | Self::Newer(_) => "schema",
            Self::Id { .. } => "id",
            Self::Chosen => "chosen",
            Self::Doubled { .. } => "doubled",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal => {
                f.write_str("checksum mismatch (the line was changed after it was written)")
            }
            Self::Unsealed => {
                f.write_str("its checksum is missing, although earlier lines have one")
            }
            Self::Json(reason) => write!(f, "not a record ({reason})"),
            Self::Schema(found) => {
                write!(f, "unknown schema `{found}`, expected `{RECORD_SCHEMA}`")
            }
            Self::Newer(found) => {
                write!(f, "schema `{found}` belongs to a newer version of wattlab")
            }
            Self::Id { says, is } => write!(f, "its id is `{says}`, but its spec has id `{is}`"),
            Self::Chosen => f.write_str("moved on request"),
            Self::Doubled { first } => write!(f, "the same run is already in line {first}"),
        }
    }
}

/// The first few damaged lines with their faults.
fn listed(damage: &[Damage]) -> String {
    const SHOWN: usize = 8;
    let shown = damage
        .iter()
        .take(SHOWN)
        .map(|damaged| format!("line {}: {}", damaged.line, damaged.fault));
    let mut words: Vec<String> = shown.collect();
    if damage.len() > SHOWN {
        words.push(format!("{} more lines", damage.len() - SHOWN));
    }
    words.join("; ")
}
