//! A run's record: everything a reader needs to trust its numbers.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use units::{EnergyReport, Warning};

use crate::{Environment, Outcome, RunSpec, Timing};

/// The schema of the records that this version writes.
pub const RECORD_SCHEMA: &str = "wattlab.record/1";

/// Identity of a run, from its spec alone: the first 16 hex digits of the SHA-256 of its JSON.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunId(u64);

impl TryFrom<String> for RunId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let plain = text.len() == 16
            && text.bytes().all(|it| it.is_ascii_digit() || (b'a'..=b'f').contains(&it));
        let value = plain.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        value.map(Self).ok_or_else(|| format!("`{text}` is no id of a run (16 hex digits)"))
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
    /// The identity of this run.
    ///
    /// # Panics
    ///
    /// Never: a spec always has a JSON form.
    #[must_use]
    pub fn id(&self) -> RunId {
        let json = serde_json::to_vec(self).expect("a spec is plain data with string keys");
        let digest = Sha256::digest(json);
        RunId(digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)))
    }
}

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// [`RECORD_SCHEMA`] of the version that wrote it.
    pub schema: String,
    /// From the spec alone.
    pub id: RunId,
    /// What was to be done.
    pub spec: RunSpec,
    /// All that the seed determines.
    pub outcome: Outcome,
    /// What it cost.
    pub energy: EnergyReport,
    /// How long it took.
    pub timing: Timing,
    /// Where, and by which code.
    pub environment: Environment,
    /// Doubts.
    pub warnings: Vec<Warning>,
}
