//! The claims, with what each needs and how it is tested.

use record::ClaimId;

use super::{batches, elasticity, halving, need::Need, searches, years};
use crate::evidence::{EvidenceSet, EvidenceTest, Phase, Replay};

/// A claim on sets of other people's measurements.
pub(in crate::evidence) struct EvidenceClaim {
    pub(in crate::evidence) id: &'static str,
    /// What a set must contain.
    needs: &'static [Need],
    /// The rule of the verdict, in a sentence or two.
    pub(in crate::evidence) criterion: &'static str,
    /// Whether the claim is about training or inference, for a note where a set has the other.
    about: Phase,
    test: fn(&EvidenceSet, Option<&Replay>) -> Result<EvidenceTest, String>,
}

/// Every claim of the studies, in their order.
pub(in crate::evidence) static EVIDENCE_CLAIMS: &[EvidenceClaim] = &[
    EvidenceClaim {
        id: "rq1-bayesian-dominates",
        needs: &[Need::Search],
        criterion: searches::CRITERION,
        about: Phase::Training,
        test: searches::test,
    },
    EvidenceClaim {
        id: "rq2-conv-dominates",
        needs: &[Need::Layers],
        criterion: "Needs networks that differ in convolution blocks, linear layers and ReLU alone.",
        about: Phase::Training,
        test: |_, _| Err("no network differs in layers alone".to_owned()),
    },
    EvidenceClaim {
        id: "rq3-halved-by-smaller-network",
        needs: &[Need::Accuracy],
        criterion: halving::CRITERION,
        about: Phase::Training,
        test: |set, _| halving::test(set),
    },
    EvidenceClaim {
        id: "rq3-diminishing-returns",
        needs: &[Need::Accuracy],
        criterion: elasticity::CRITERION,
        about: Phase::Training,
        test: |set, _| elasticity::test(set),
    },
    EvidenceClaim {
        id: "rq4-batching-matters",
        needs: &[Need::Batches],
        criterion: batches::CRITERION_MATTERS,
        about: Phase::Inference,
        test: |set, _| batches::matters(set),
    },
    EvidenceClaim {
        id: "rq4-model-dependent",
        needs: &[Need::Batches],
        criterion: batches::CRITERION_DEPENDS,
        about: Phase::Inference,
        test: |set, _| batches::depends(set),
    },
    EvidenceClaim {
        id: "rq5-energy-rises",
        needs: &[Need::Years, Need::Accuracy],
        criterion: years::CRITERION_ENERGY,
        about: Phase::Inference,
        test: |set, _| years::energy_rises(set),
    },
    EvidenceClaim {
        id: "rq5-accuracy-slows",
        needs: &[Need::Years, Need::Accuracy],
        criterion: years::CRITERION_ACCURACY,
        about: Phase::Inference,
        test: |set, _| years::accuracy_slows(set),
    },
    EvidenceClaim {
        id: "rq5-shufflenet-exception",
        needs: &[Need::ShuffleNet],
        criterion: "Needs ShuffleNetV2 and other networks of comparable accuracy on the same task.",
        about: Phase::Inference,
        test: |_, _| Err("ShuffleNetV2 has no peer of comparable accuracy".to_owned()),
    },
];

impl EvidenceClaim {
    pub(in crate::evidence) fn claim_id(&self) -> ClaimId {
        ClaimId::new(self.id)
    }

    /// Tests the claim on a set.
    ///
    /// # Errors
    ///
    /// The reason why the set cannot answer.
    pub(in crate::evidence) fn on(
        &self,
        set: &EvidenceSet,
        replay: Option<&Replay>,
    ) -> Result<EvidenceTest, String> {
        if let Some(need) = self.needs.iter().find(|need| !need.is_met(set)) {
            return Err(need.why_not(set));
        }
        let mut test = (self.test)(set, replay)?;
        let phase = set.adapter.phase;
        if phase != self.about {
            test.notes.push(format!(
                "The claim is about {}; these joules are of {}.",
                self.about.words(),
                phase.words()
            ));
        }
        if let Some(batch) = set.common_batch().filter(|_| !self.needs.contains(&Need::Batches)) {
            test.notes.push(format!("Batches of {batch}."));
        }
        Ok(test)
    }
}
