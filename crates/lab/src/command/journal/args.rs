//! Arguments of several subcommands.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use record::Experiment;

/// The journal at a path: the file itself, or `journal.jsonl` in the folder.
pub(super) fn file(path: &Path) -> PathBuf {
    if path.is_dir() { path.join("journal.jsonl") } else { path.to_owned() }
}

/// Value of the flag `--experiment`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Only {
    /// RQ1: hyper-parameter search
    Tuning,
    /// RQ2 and RQ3: layers
    Layers,
    /// RQ4: batching
    Batching,
    /// RQ5: a decade of vision networks
    Timeline,
    /// The same trainings with both engines
    Engines,
}

impl From<Only> for Experiment {
    fn from(only: Only) -> Self {
        match only {
            Only::Tuning => Self::Tuning,
            Only::Layers => Self::Layers,
            Only::Batching => Self::Batching,
            Only::Timeline => Self::Timeline,
            Only::Engines => Self::Engines,
        }
    }
}
