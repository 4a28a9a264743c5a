//! What the records say about the studies' claims: the content of `results.json`.

use std::collections::BTreeMap;

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
    /// Of the newest record; `None` if there is none.
    pub environment: Option<Environment>,
    /// One entry a claim, in the order of [`ClaimId::ALL`].
    pub claims: Vec<Finding>,
}

/// The claims of the studies that are tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimId {
    /// Bayesian search dominates grid and random search.
    Rq1BayesianDominates,
    /// Convolutional layers cost by far the most energy.
    Rq2ConvDominates,
    /// A smaller network halves the energy of training.
    Rq3HalvedBySmallerNetwork,
    /// More layers cost much energy and bring little accuracy.
    Rq3DiminishingReturns,
    /// Batching changes energy and response time.
    Rq4BatchingMatters,
    /// How much depends on the network.
    Rq4ModelDependent,
    /// The energy of inference rises over the years.
    Rq5EnergyRises,
    /// Accuracy rises ever more slowly.
    Rq5AccuracySlows,
    /// ShuffleNetV2 is the exception.
    Rq5ShufflenetException,
}

impl ClaimId {
    /// Every claim, in the order of the report.
    pub const ALL: [Self; 9] = [
        Self::Rq1BayesianDominates,
        Self::Rq2ConvDominates,
        Self::Rq3HalvedBySmallerNetwork,
        Self::Rq3DiminishingReturns,
        Self::Rq4BatchingMatters,
        Self::Rq4ModelDependent,
        Self::Rq5EnergyRises,
        Self::Rq5AccuracySlows,
        Self::Rq5ShufflenetException,
    ];

    /// The id in `results.json`.
    #[must_use]
    pub fn slug(self) -> &'static str {
        match self {
            Self::Rq1BayesianDominates => "rq1-bayesian-dominates",
            Self::Rq2ConvDominates => "rq2-conv-dominates",
            Self::Rq3HalvedBySmallerNetwork => "rq3-halved-by-smaller-network",
            Self::Rq3DiminishingReturns => "rq3-diminishing-returns",
            Self::Rq4BatchingMatters => "rq4-batching-matters",
            Self::Rq4ModelDependent => "rq4-model-dependent",
            Self::Rq5EnergyRises => "rq5-energy-rises",
            Self::Rq5AccuracySlows => "rq5-accuracy-slows",
            Self::Rq5ShufflenetException => "rq5-shufflenet-exception",
        }
    }
}

/// What the evidence says of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The interval lies on the claim's side.
    Supported,
    /// The interval lies on the other side.
    Contradicted,
    /// It lies on both, or there is too little data.
    Inconclusive,
}

impl Verdict {
    /// The word in tables and `results.json`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Contradicted => "contradicted",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// A claim with what was published, what we found, and what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// Which claim.
    pub id: ClaimId,
    /// The claim in a sentence.
    pub statement: String,
    /// The rule by which the verdict follows from the evidence, in a sentence.
    pub criterion: String,
    /// The studies' figures, by name; units are in the names.
    pub published: BTreeMap<String, f64>,
    /// Ours, by the same names where they mean the same; `null` for an absent one.
    pub measured: BTreeMap<String, Option<f64>>,
    /// What follows.
    pub verdict: Verdict,
    /// Why, in a sentence with the numbers.
    pub reason: String,
    /// The test behind it.
    pub evidence: Evidence,
    /// Of the joules in `measured`; `None` if there are no joules (no data, or no energy).
    pub energy_origin: Option<Origin>,
    /// Data sets and sizes, in words.
    pub data: String,
    /// What a reader should know before quoting it.
    pub caveats: Vec<String>,
}

/// A statistical test and the size of its effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Name of the test.
    pub test: String,
    /// Its statistic; `None` if it could not be computed.
    pub statistic: Option<f64>,
    /// Its p-value.
    pub p: Option<f64>,
    /// Size of the effect, as `effect_name` says.
    pub effect: Option<f64>,
    /// What the effect is, with its unit.
    pub effect_name: String,
    /// 95 % interval of the effect.
    pub ci95: Option<[f64; 2]>,
    /// Observations behind it.
    pub n: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_the_serialized_names() {
        for id in ClaimId::ALL {
            assert_eq!(serde_json::to_value(id).unwrap(), id.slug());
        }
    }
}
