//! Findings: verdicts on the studies' claims, the content of `results.json`.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use units::Origin;

use crate::Environment;

/// The schema of `results.json`.
pub const RESULTS_SCHEMA: &str = "wattlab.results/1";

/// The content of `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// [`RESULTS_SCHEMA`].
    pub schema: String,
    /// The environment of the newest record; `None` without records.
    pub environment: Option<Environment>,
    /// One finding per claim, in the order of the report.
    pub claims: Vec<Finding>,
}

/// The name of a claim, such as `rq4-batching-matters`: words of lowercase letters and digits,
/// separated by single hyphens, at most [`ClaimId::MAX_BYTES`] bytes in all.
///
/// Any crate can define claims of its own; this type only says what an id looks like.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClaimId(Cow<'static, str>);

impl ClaimId {
    /// The length of the longest id.
    pub const MAX_BYTES: usize = 64;

    /// The id with that text.
    ///
    /// # Panics
    ///
    /// If the text is not an id; in a `const`, the program then does not compile.
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        assert!(is_claim_id(text.as_bytes()), "not the id of a claim");
        Self(Cow::Borrowed(text))
    }

    /// The text, as it stands in `results.json`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_claim_id(text: &[u8]) -> bool {
    let mut after_hyphen = true;
    let mut i = 0;
    while i < text.len() {
        match text[i] {
            b'a'..=b'z' | b'0'..=b'9' => after_hyphen = false,
            b'-' if !after_hyphen => after_hyphen = true,
            _ => return false,
        }
        i += 1;
    }
    !after_hyphen && text.len() <= ClaimId::MAX_BYTES
}

/// The text is not the id of a claim.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the id of a claim; expected lowercase words and digits separated by hyphens, at most {} bytes, such as `rq4-batching-matters`",
    ClaimId::MAX_BYTES
)]
pub struct InvalidClaimId {
    /// What was found, cut after [`ClaimId::MAX_BYTES`] characters.
    pub text: String,
}

impl TryFrom<String> for ClaimId {
    type Error = InvalidClaimId;

    fn try_from(text: String) -> Result<Self, InvalidClaimId> {
        if is_claim_id(text.as_bytes()) {
            Ok(Self(Cow::Owned(text)))
        } else {
            Err(InvalidClaimId { text: text.chars().take(Self::MAX_BYTES).collect() })
        }
    }
}

impl From<ClaimId> for String {
    fn from(id: ClaimId) -> Self {
        id.0.into_owned()
    }
}

impl fmt::Display for ClaimId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The verdict on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole confidence interval agrees with the claim.
    Supported,
    /// The whole confidence interval disagrees with the claim.
    Contradicted,
    /// The confidence interval contains both cases, or there is too little data.
    Inconclusive,
}

impl Verdict {
    /// The name in tables and in `results.json`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Contradicted => "contradicted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A claim with the published figures, our own, and the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The id of the claim.
    pub id: ClaimId,
    /// The claim in one sentence.
    pub statement: String,
    /// The rule that leads from the evidence to the verdict, in one sentence.
    pub criterion: String,
    /// The published figures by name. The names contain the units.
    pub published: BTreeMap<String, f64>,
    /// Our figures, with the same names where they mean the same; `None` if a figure is missing.
    pub measured: BTreeMap<String, Option<f64>>,
    /// The verdict.
    pub verdict: Verdict,
    /// Why the verdict follows, in one sentence with the numbers.
    pub reason: String,
    /// The statistical test.
    pub evidence: Evidence,
    /// Origin of the joules in `measured`; `None` if it contains no joules.
    pub energy_origin: Option<Origin>,
    /// The data sets and their sizes, as text.
    pub data: String,
    /// What a reader should know before quoting the finding.
    pub caveats: Vec<String>,
}

impl Finding {
    /// Whether there were no observations of what the claim is about. The verdict is then inconclusive,
    /// because nothing was decided.
    #[must_use]
    pub fn was_not_run(&self) -> bool {
        self.evidence.n == 0
    }

    /// The verdict for readers: that of [`Verdict::word`], or `not run`.
    #[must_use]
    pub fn verdict_in_words(&self) -> &'static str {
        if self.was_not_run() { "not run" } else { self.verdict.word() }
    }
}

/// A statistical test and the size of its effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Name of the test.
    pub test: String,
    /// The test statistic; `None` if it could not be computed.
    pub statistic: Option<f64>,
    /// The p-value; `None` if it could not be computed.
    pub p: Option<f64>,
    /// The size of the effect that `effect_name` describes; `None` if it could not be computed.
    pub effect: Option<f64>,
    /// What the effect is, with its unit.
    pub effect_name: String,
    /// The 95 % confidence interval of the effect; `None` if it could not be computed.
    pub ci95: Option<[f64; 2]>,
    /// Number of observations.
    pub n: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_claim_is_its_text_on_disk() {
        const ID: ClaimId = ClaimId::new("rq4-batching-matters");
        let json = serde_json::to_string(&ID).unwrap();
        assert_eq!(json, "\"rq4-batching-matters\"");
        assert_eq!(serde_json::from_str::<ClaimId>(&json).unwrap(), ID);
        assert_eq!(format!("{ID:>22}|"), "  rq4-batching-matters|");
    }

    #[test]
    fn texts_that_are_not_ids_are_refused() {
        let long = "a".repeat(ClaimId::MAX_BYTES + 1);
        for text in ["", "-a", "a-", "a--b", "Rq1", "a b", "ä", &long] {
            let error = ClaimId::try_from(text.to_owned()).unwrap_err();
            assert!(error.to_string().contains("is not the id of a claim"), "{error}");
        }
        assert!(ClaimId::try_from("a".repeat(ClaimId::MAX_BYTES)).is_ok());
    }
}
