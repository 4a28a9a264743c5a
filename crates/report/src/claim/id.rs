//! The ids of the claims that are tested.

use record::ClaimId;

/// Bayesian search dominates grid and random search.
pub const RQ1_BAYESIAN_DOMINATES: ClaimId = ClaimId::new("rq1-bayesian-dominates");
/// Convolutional layers use by far the most energy.
pub const RQ2_CONV_DOMINATES: ClaimId = ClaimId::new("rq2-conv-dominates");
/// A smaller network halves the energy of training.
pub const RQ3_HALVED_BY_SMALLER_NETWORK: ClaimId = ClaimId::new("rq3-halved-by-smaller-network");
/// More layers cost much energy and bring little accuracy.
pub const RQ3_DIMINISHING_RETURNS: ClaimId = ClaimId::new("rq3-diminishing-returns");
/// Batching changes energy and response time.
pub const RQ4_BATCHING_MATTERS: ClaimId = ClaimId::new("rq4-batching-matters");
/// How much batching changes depends on the network.
pub const RQ4_MODEL_DEPENDENT: ClaimId = ClaimId::new("rq4-model-dependent");
/// The energy of inference rises over the years.
pub const RQ5_ENERGY_RISES: ClaimId = ClaimId::new("rq5-energy-rises");
/// Accuracy rises more and more slowly.
pub const RQ5_ACCURACY_SLOWS: ClaimId = ClaimId::new("rq5-accuracy-slows");
/// ShuffleNetV2 is the exception to rising energy.
pub const RQ5_SHUFFLENET_EXCEPTION: ClaimId = ClaimId::new("rq5-shufflenet-exception");

/// Every claim, in the order of the report.
pub const ALL: [ClaimId; 9] = [
    RQ1_BAYESIAN_DOMINATES,
    RQ2_CONV_DOMINATES,
    RQ3_HALVED_BY_SMALLER_NETWORK,
    RQ3_DIMINISHING_RETURNS,
    RQ4_BATCHING_MATTERS,
    RQ4_MODEL_DEPENDENT,
    RQ5_ENERGY_RISES,
    RQ5_ACCURACY_SLOWS,
    RQ5_SHUFFLENET_EXCEPTION,
];
