//! What each claim needs of a set, and how it is tested there.

mod batches;
mod elasticity;
mod halving;
mod searches;
mod years;

use record::{ClaimId, Verdict};

use super::{EvidenceSet, EvidenceTest, Replay};
use crate::{
    claim::{Estimate, p_of_limit},
    document::Unit,
    stats,
};



/// A claim on sets of other people's measurements.
pub(super) struct EvidenceClaim {
    pub(super) id: &'static str,
    /// What a set must contain.
    needs: &'static [Need],
    /// The rule of the verdict, in a sentence or two.
    pub(super) criterion: &'static str,
    /// Whether the claim is about training or inference, for a note where a set has the other.
    about: super::Phase,
    test: fn(&EvidenceSet, Option<&Replay>) -> Result<EvidenceTest, String>,
}

/// Something that a set must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Accuracy,
    Batches,
    Years,
    Layers,
    Search,
    ShuffleNet,
}

/// Every claim of the studies, in their order.
pub(super) static EVIDENCE_CLAIMS: &[EvidenceClaim] = &[
    EvidenceClaim {
        id: "rq1-bayesian-dominates",
        needs: &[Need::Search],
        criterion: searches::CRITERION,
        about: super::Phase::Training,
        test: searches::test,
    },
    EvidenceClaim {
        id: "rq2-conv-dominates",
        needs: &[Need::Layers],
        criterion: "Needs networks that differ in convolution blocks, linear layers and ReLU alone.",
        about: super::Phase::Training,
        test: |_, _| Err("no network differs in layers alone".to_owned()),
    },
    EvidenceClaim {
        id: "rq3-halved-by-smaller-network",
        needs: &[Need::Accuracy],
        criterion: halving::CRITERION,
        about: super::Phase::Training,
        test: |set, _| halving::test(set),
    },
    EvidenceClaim {
        id: "rq3-diminishing-returns",
        needs: &[Need::Accuracy],
        criterion: elasticity::CRITERION,
        about: super::Phase::Training,
        test: |set, _| elasticity::test(set),
    },
    EvidenceClaim {
        id: "rq4-batching-matters",
        needs: &[Need::Batches],
        criterion: batches::CRITERION_MATTERS,
        about: super::Phase::Inference,
        test: |set, _| batches::matters(set),
    },
    EvidenceClaim {
        id: "rq4-model-dependent",
        needs: &[Need::Batches],
        criterion: batches::CRITERION_DEPENDS,
        about: super::Phase::Inference,
        test: |set, _| batches::depends(set),
    },
    EvidenceClaim {
        id: "rq5-energy-rises",
        needs: &[Need::Years, Need::Accuracy],
        criterion: years::CRITERION_ENERGY,
        about: super::Phase::Inference,
        test: |set, _| years::energy_rises(set),
    },
    EvidenceClaim {
        id: "rq5-accuracy-slows",
        needs: &[Need::Years, Need::Accuracy],
        criterion: years::CRITERION_ACCURACY,
        about: super::Phase::Inference,
        test: |set, _| years::accuracy_slows(set),
    },
    EvidenceClaim {
        id: "rq5-shufflenet-exception",
        needs: &[Need::ShuffleNet],
        criterion: "Needs ShuffleNetV2 and other networks of comparable accuracy on the same task.",
        about: super::Phase::Inference,
        test: |_, _| Err("ShuffleNetV2 has no peer of comparable accuracy".to_owned()),
    },
];

impl EvidenceClaim {
    pub(super) fn claim_id(&self) -> ClaimId {
        ClaimId::new(self.id)
    }

    /// Tests the claim on a set.
    ///
    /// # Errors
    ///
    /// The reason why the set cannot answer.
    pub(super) fn on(
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

impl Need {
    fn is_met(self, set: &EvidenceSet) -> bool {
        match self {
            Self::Accuracy => {
                !set.rows.is_empty() && set.rows.iter().all(|row| row.accuracy.is_some())
            }
            Self::Batches => batches::has_batches(set),
            Self::Years => !set.adapter.years.is_empty(),
            Self::Search => set.adapter.replay.is_some(),
            // No data set has had these; an adapter cannot describe them yet.
            Self::Layers | Self::ShuffleNet => false,
        }
    }

    fn why_not(self, set: &EvidenceSet) -> String {
        let missing = &set.adapter.missing;
        let (reason, usual) = match self {
            Self::Accuracy => (&missing.accuracy, "no accuracy"),
            Self::Batches => (&missing.batches, "no batch sizes"),
            Self::Years => (&missing.years, "no years of networks"),
            Self::Layers => (&missing.layers, "no networks that differ in layers alone"),
            Self::Search => (&missing.search, "no search to replay"),
            Self::ShuffleNet => (&missing.shufflenet, "no ShuffleNetV2 with peers"),
        };
        reason.clone().unwrap_or_else(|| usual.to_owned())
    }
}

/// A test before Holm's correction.
pub(super) struct Answered {
    test: &'static str,
    effect_name: &'static str,
    unit: Unit,
    effect: Estimate,
    p: Option<f64>,
    verdict: Verdict,
    reason: String,
    n: usize,
    pooled: Option<[f64; 2]>,
}

impl From<Answered> for EvidenceTest {
    fn from(answered: Answered) -> Self {
        let Answered { test, effect_name, unit, effect, p, verdict, reason, n, pooled } = answered;
        Self {
            test,
            effect_name,
            unit,
            effect: effect.value,
            ci95: effect.ci95,
            p,
            p_holm: None,
            verdict_alone: verdict,
            verdict,
            reason,
            notes: Vec::new(),
            n,
            is_negligible: false,
            pooled,
        }
    }
}

/// Fewest networks with an interval over networks.
const FEWEST_NETWORKS: usize = 5;

fn enough(networks: usize) -> Result<(), String> {
    if networks < FEWEST_NETWORKS {
        return Err(format!(
            "{networks} networks, and an interval over networks needs {FEWEST_NETWORKS}"
        ));
    }
    Ok(())
}

fn because(error: &stats::StatsError) -> String {
    format!("the statistic is not defined: {error}")
}

/// Percentile interval and two-sided p-value of a limit, from resampled statistics.
fn of_resamples(value: f64, resampled: &[f64], limit: f64) -> (Estimate, f64) {
    let at = |share| stats::quantile(resampled, share).ok();
    let ci95 = at(0.025).zip(at(0.975)).map(|(low, high)| [low, high]);
    (Estimate { value, ci95 }, p_of_limit(resampled, limit))
}
