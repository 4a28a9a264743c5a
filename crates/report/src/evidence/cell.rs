//! One cell of the matrix: the test of a claim on a measured set, or the reason why it could not be tested.

use record::{ClaimId, Origin, Verdict};
use serde::Serialize;

use super::{Phase, Scope};
use crate::document::Unit;

/// A claim on a set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvidenceCell {
    /// Id of the claim.
    pub claim: ClaimId,
    /// Name of the data set.
    pub data: String,
    /// The device.
    pub device: String,
    /// What the joules are of.
    pub scope: Scope,
    /// What the networks did.
    pub phase: Phase,
    /// Whether a sensor measured the joules.
    pub origin: Origin,
    /// The answer.
    pub answer: EvidenceAnswer,
}

/// What a set says about a claim.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum EvidenceAnswer {
    /// The claim was tested.
    Tested(EvidenceTest),
    /// The set lacks what the claim needs.
    Empty {
        /// What it lacks.
        reason: String,
    },
}

/// The test of a claim on a set.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EvidenceTest {
    /// Name of the test.
    pub test: &'static str,
    /// What the effect is, without the unit.
    pub effect_name: &'static str,
    /// Unit of the effect and of its interval.
    pub unit: Unit,
    /// Size of the effect.
    pub effect: f64,
    /// 95 % interval of the effect.
    pub ci95: Option<[f64; 2]>,
    /// p-value of the limit that the verdict rests on.
    pub p: Option<f64>,
    /// The p-value after Holm's correction over all tests of the matrix.
    pub p_holm: Option<f64>,
    /// Verdict of this set, looked at alone.
    pub verdict_alone: Verdict,
    /// Verdict after the correction.
    pub verdict: Verdict,
    /// Why, in a sentence with the numbers.
    pub reason: String,
    /// What limits the answer.
    pub notes: Vec<String>,
    /// Networks, or searches, behind it.
    pub n: usize,
    /// Whether the verdict is that the effect is negligible, which its interval shows and no p-value.
    pub is_negligible: bool,
    /// The effect and its standard error on the scale on which sets are pooled; `None` if they are not.
    pub pooled: Option<[f64; 2]>,
}

/// A tested cell as programs read it.
#[derive(Serialize)]
struct Evidence<'a> {
    claim: &'a ClaimId,
    data: &'a str,
    device: &'a str,
    scope: Scope,
    phase: Phase,
    origin: Origin,
    verdict: Verdict,
    verdict_alone: Verdict,
    effect: f64,
    effect_name: &'a str,
    unit: &'a str,
    ci95: Option<[f64; 2]>,
    p: Option<f64>,
    p_holm: Option<f64>,
    n: usize,
    test: &'a str,
    reason: &'a str,
    note: String,
}

impl EvidenceCell {
    /// The test; `None` if the cell is empty.
    #[must_use]
    pub fn tested(&self) -> Option<&EvidenceTest> {
        match &self.answer {
            EvidenceAnswer::Tested(test) => Some(test),
            EvidenceAnswer::Empty { .. } => None,
        }
    }

    /// The fields of a tested cell, or the reason of an empty one.
    pub(crate) fn json(&self) -> Result<serde_json::Value, serde_json::Error> {
        match &self.answer {
            EvidenceAnswer::Tested(test) => serde_json::to_value(Evidence {
                claim: &self.claim,
                data: &self.data,
                device: &self.device,
                scope: self.scope,
                phase: self.phase,
                origin: self.origin,
                verdict: test.verdict,
                verdict_alone: test.verdict_alone,
                effect: test.effect,
                effect_name: test.effect_name,
                unit: test.unit.name(),
                ci95: test.ci95,
                p: test.p,
                p_holm: test.p_holm,
                n: test.n,
                test: test.test,
                reason: &test.reason,
                note: test.notes.join(" "),
            }),
            EvidenceAnswer::Empty { reason } => Ok(serde_json::json!({
                "claim": self.claim,
                "data": self.data,
                "device": self.device,
                "reason": reason,
            })),
        }
    }
}
