//! What can be wrong with a journal.

use std::{fmt, io, path::PathBuf};

use crate::{RECORD_SCHEMA, RunId};

/// Why a journal could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file system said no.
    #[error("failed to {action} journal `{}`; check that the folder exists, can be written and is not full", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// Another process is writing.
    #[error("journal `{}` is in use by another process; wait for it or choose another folder", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Whole lines are not what was written.
    #[error("journal `{}` is damaged: {}; move the damaged lines aside by `wattlab journal repair`, or restore it from a copy", path.display(), listed(damage))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Every damaged line, in order; at least one.
        damage: Vec<Damage>,
    },
    /// A line is of a version this program does not know.
    #[error("line {line} of journal `{}` has schema `{found}`, this program reads up to `{RECORD_SCHEMA}`; use the version of wattlab that wrote it", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What it says.
        found: String,
    },
    /// A line could not be written whole, nor be taken back; what is on disk behind the last whole
    /// line is not known.
    #[error("journal `{}` takes no more: a line could not be written, and its beginning could not be removed; start again when the disk is well, and the beginning is cut off", path.display())]
    Poisoned {
        /// The file.
        path: PathBuf,
    },
}

/// A damaged line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Length or checksum are not those of its bytes.
    Seal,
    /// It has no seal, though a line before it has one.
    Unsealed,
    /// It is not the JSON of a record; the parser's reason.
    Json(String),
    /// Its schema is none of ours; what it says.
    Schema(String),
    /// Its schema is of a later version; what it says. Not damage, but nothing to go on with.
    Newer(String),
    /// Its id is not that of its spec.
    Id {
        /// What it says.
        says: RunId,
        /// What its spec has.
        is: RunId,
    },
    /// An earlier line has the same id; that one counts.
    Doubled {
        /// The earlier line.
        first: u64,
    },
}

impl Fault {
    /// Of text that is no JSON, or not the JSON that was expected.
    pub(super) fn json(error: &serde_json::Error) -> Self {
        // A line is always line 1 of its own text.
        let text = error.to_string();
        match text.split_once(" at line ") {
            Some((reason, _)) => Self::Json(format!("{reason} at byte {}", error.column())),
            None => Self::Json(text),
        }
    }

    /// The word for it in `--json`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Unsealed => "unsealed",
            Self::Json(_) => "json",
            Self::Schema(_) | Self::Newer(_) => "schema",
            Self::Id { .. } => "id",
            Self::Doubled { .. } => "doubled",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seal => f.write_str("its bytes are not those that were sealed"),
            Self::Unsealed => f.write_str("it has no seal, but a line before it has"),
            Self::Json(reason) => write!(f, "no record ({reason})"),
            Self::Schema(found) => write!(f, "schema `{found}` is none of wattlab's"),
            Self::Newer(found) => write!(f, "schema `{found}` is of a later version"),
            Self::Id { says, is } => write!(f, "its id is `{says}`, that of its spec `{is}`"),
            Self::Doubled { first } => write!(f, "its run is already in line {first}"),
        }
    }
}

/// The first few damaged lines in words.
fn listed(damage: &[Damage]) -> String {
    const SHOWN: usize = 8;
    let shown = damage.iter().take(SHOWN).map(|it| format!("line {}: {}", it.line, it.fault));
    let mut words: Vec<String> = shown.collect();
    if damage.len() > SHOWN {
        words.push(format!("{} more lines", damage.len() - SHOWN));
    }
    words.join("; ")
}
