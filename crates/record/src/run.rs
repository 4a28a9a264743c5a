//! Run records: what was done, what came out, and what it cost.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use units::{EnergyReport, Warning};

use crate::{Environment, Outcome, RunSpec, Timing};

/// The schema of the records that this version of wattlab writes.
pub const RECORD_SCHEMA: &str = "wattlab.record/1";

/// The id of a run: the first 16 hexadecimal digits of the SHA-256 of its spec as JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(u64);

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = text.len() == 16
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let value = plain.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| {
            format!("`{text}` is not the id of a run, expected 16 lowercase hexadecimal digits")
        })
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({self})")
    }
}

impl RunSpec {
    /// The id of this run.
    ///
    /// # Panics
    ///
    /// Never: every spec can be written as JSON.
    #[must_use]
    pub fn id(&self) -> RunId {
        let json = serde_json::to_vec(self).expect("a spec is plain data with string keys");
        let digest = Sha256::digest(json);
        RunId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}

/// The record of a run: one line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// The [`RECORD_SCHEMA`] of the version of wattlab that wrote the record.
    pub schema: String,
    /// The id of the run, computed from its spec.
    pub id: RunId,
    /// What was done.
    pub spec: RunSpec,
    /// The results that the spec determines.
    pub outcome: Outcome,
    /// The energy it used.
    pub energy: EnergyReport,
    /// The time it took.
    pub timing: Timing,
    /// The machine it ran on, and the code that ran.
    pub environment: Environment,
    /// Reasons to doubt some of the numbers.
    pub warnings: Vec<Warning>,
    /// The numbers of repetitions after which the study looks at the verdicts of this experiment and may end it, in
    /// rising order; empty if it looks once, at the end. The intervals of verdicts depend on them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<u32>,
}
