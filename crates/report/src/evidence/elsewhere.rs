//! All claims on all sets.

use std::sync::Arc;

use record::{ClaimId, Verdict};
use serde_json::{Value, json};

use super::{
    Adapter, EstimatorRatio, EvidenceAnswer, EvidenceBundle, EvidenceCell, EvidenceSet, Replay,
    Synthesis,
    claims::{EVIDENCE_CLAIMS, EvidenceClaim},
    estimators, synthesis,
};
use crate::stats;

/// The level of all tests together.
const LEVEL: f64 = 0.05;

/// The studies' claims on other people's measurements.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Elsewhere {
    /// The sets, in the order shown.
    pub sets: Vec<EvidenceSet>,
    /// Data sets whose rows are not there.
    pub absent: Vec<Arc<Adapter>>,
    /// A cell for each set and claim: the claims of the first set, then those of the next.
    pub cells: Vec<EvidenceCell>,
    /// Means over sets.
    pub syntheses: Vec<Synthesis>,
    /// Estimators beside meters.
    pub estimators: Vec<EstimatorRatio>,
    /// Replayed searches, if there are any.
    pub replay: Option<Replay>,
}

impl Elsewhere {
    /// Tests every claim on every set.
    #[must_use]
    pub fn of(bundle: EvidenceBundle, replay: Option<Replay>) -> Self {
        let EvidenceBundle { sets, absent } = bundle;
        let mut cells: Vec<EvidenceCell> = sets
            .iter()
            .flat_map(|set| EVIDENCE_CLAIMS.iter().map(move |claim| (set, claim)))
            .map(|(set, claim)| cell(set, claim, replay.as_ref()))
            .collect();
        adjust(&mut cells);
        let syntheses = synthesis::syntheses(&cells);
        let estimators = estimators::ratios(&sets);
        Self { sets, absent, cells, syntheses, estimators, replay }
    }

    /// The cell of a set and a claim.
    #[must_use]
    pub fn cell(&self, set: &EvidenceSet, claim: &ClaimId) -> Option<&EvidenceCell> {
        self.cells.iter().find(|cell| {
            cell.claim == *claim && cell.data == set.adapter.name && cell.device == set.device
        })
    }

    /// The number of cells in which a claim was tested.
    #[must_use]
    pub fn filled(&self) -> usize {
        self.cells.iter().filter(|cell| cell.tested().is_some()).count()
    }

    /// The ids of the claims, in the order shown.
    pub fn claims() -> impl Iterator<Item = ClaimId> {
        EVIDENCE_CLAIMS.iter().map(EvidenceClaim::claim_id)
    }

    /// The rule of a claim's verdict.
    #[must_use]
    pub fn criterion(claim: &ClaimId) -> Option<&'static str> {
        let known = EVIDENCE_CLAIMS.iter().find(|known| known.id == claim.as_str());
        known.map(|claim| claim.criterion)
    }

    /// The fields `evidence`, `evidence_missing`, `synthesis` and `estimators` of `published.json`.
    ///
    /// # Errors
    ///
    /// If a value cannot be written as JSON.
    pub fn json(&self) -> Result<Value, serde_json::Error> {
        let part = |is_tested: bool| {
            let cells = self.cells.iter().filter(move |cell| cell.tested().is_some() == is_tested);
            cells.map(EvidenceCell::json).collect::<Result<Vec<Value>, _>>()
        };
        let absent: Vec<Value> = self
            .absent
            .iter()
            .map(|adapter| json!({ "data": adapter.name, "licence": adapter.licence.name }))
            .collect();
        let syntheses: Vec<Value> =
            self.syntheses.iter().map(Synthesis::json).collect::<Result<_, _>>()?;
        Ok(json!({
            "evidence": part(true)?,
            "evidence_missing": part(false)?,
            "evidence_absent": absent,
            "synthesis": syntheses,
            "estimators": self.estimators,
        }))
    }
}

fn cell(set: &EvidenceSet, claim: &EvidenceClaim, replay: Option<&Replay>) -> EvidenceCell {
    let adapter = &set.adapter;
    EvidenceCell {
        claim: claim.claim_id(),
        data: adapter.name.clone(),
        device: set.device.clone(),
        scope: adapter.scope,
        phase: adapter.phase,
        origin: adapter.origin,
        answer: match claim.on(set, replay) {
            Ok(test) => EvidenceAnswer::Tested(test),
            Err(reason) => EvidenceAnswer::Empty { reason },
        },
    }
}

/// Holm's correction over all tests: a verdict whose p-value does not survive it becomes inconclusive.
fn adjust(cells: &mut [EvidenceCell]) {
    let p: Vec<f64> = cells.iter().filter_map(|cell| cell.tested()?.p).collect();
    let Ok(adjusted) = stats::holm(&p) else { return };
    let mut adjusted = adjusted.into_iter();
    for cell in cells {
        let EvidenceAnswer::Tested(test) = &mut cell.answer else { continue };
        if test.p.is_some() {
            test.p_holm = adjusted.next();
        }
        // A claim contradicted because its effect is negligible rests on an interval, not on this p-value.
        let rests_on_p = test.verdict_alone != Verdict::Inconclusive && !test.is_negligible;
        if rests_on_p && test.p_holm.is_none_or(|p| p >= LEVEL) {
            test.verdict = Verdict::Inconclusive;
            test.notes.push(format!(
                "Alone, this set would be called {}; after Holm's correction over all tests it is not.",
                test.verdict_alone.word()
            ));
        }
    }
}
