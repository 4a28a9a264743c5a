//! All claims on all sets.

use std::sync::Arc;

use record::{ClaimId, Verdict};
use serde_json::{Value, json};

use super::{
    Adapter, EstimatorRatio, EvidenceAnswer, EvidenceBundle, EvidenceCell, EvidenceRecording,
    EvidenceSet, Replay, Synthesis,
    claims::{EVIDENCE_CLAIMS, EvidenceClaim},
    estimators, synthesis,
};
use crate::stats;

/// The level of all tests together.
const LEVEL: f64 = 0.05;

/// Where the rows of a device, or a recording, come from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvidenceOrigin {
    /// The data set.
    pub adapter: Arc<Adapter>,
    /// The device.
    pub device: String,
    /// Rows, or readings of a recording.
    pub rows: usize,
    /// What is left out: the reason and the number of rows.
    pub excluded: Vec<(String, usize)>,
    /// Whether they are of the copy in this program.
    pub is_copy: bool,
}

fn sources(sets: &[EvidenceSet], recordings: &[EvidenceRecording]) -> Vec<EvidenceOrigin> {
    let of_set = |set: &EvidenceSet| EvidenceOrigin {
        adapter: Arc::clone(&set.adapter),
        device: set.device.clone(),
        rows: set.rows.len(),
        excluded: set.excluded.clone(),
        is_copy: set.is_copy,
    };
    let of_recording = |recording: &EvidenceRecording| EvidenceOrigin {
        adapter: Arc::clone(&recording.adapter),
        device: format!("{} ({})", recording.files.device, recording.files.name),
        rows: recording.sensor.lines().count().saturating_sub(1),
        excluded: Vec::new(),
        is_copy: recording.is_copy,
    };
    sets.iter().map(of_set).chain(recordings.iter().map(of_recording)).collect()
}

/// The studies' claims on other people's measurements.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Elsewhere {
    /// The sets, in the order shown.
    pub sets: Vec<EvidenceSet>,
    /// Where all rows and recordings come from.
    pub sources: Vec<EvidenceOrigin>,
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
        let EvidenceBundle { sets, recordings, absent } = bundle;
        let estimators = estimators::ratios(&sets);
        let sources = sources(&sets, &recordings);
        let sets: Vec<EvidenceSet> =
            sets.into_iter().filter(|set| !set.adapter.estimators_only).collect();
        let mut cells: Vec<EvidenceCell> = sets
            .iter()
            .flat_map(|set| EVIDENCE_CLAIMS.iter().map(move |claim| (set, claim)))
            .map(|(set, claim)| cell(set, claim, replay.as_ref()))
            .collect();
        adjust(&mut cells);
        let syntheses = synthesis::syntheses(&cells);
        Self { sets, sources, absent, cells, syntheses, estimators, replay }
    }

    /// Adds estimators that were compared outside: those of this project, which other crates contain.
    #[must_use]
    pub fn with_estimators(mut self, estimators: Vec<EstimatorRatio>) -> Self {
        self.estimators.extend(estimators);
        self
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
