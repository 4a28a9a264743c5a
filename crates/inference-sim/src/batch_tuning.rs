//! The batching policy with the fewest joules that still answers in time.

use std::num::NonZeroUsize;

use serde::Serialize;
use units::limits;

use crate::{
    config::SimulationConfig,
    error::{ConfigError, limited},
    policy::BatchingConfig,
    report::SimulationReport,
    simulation::SimulationError,
    sweep::simulate_all,
};

/// The schema of [`BatchTuning`].
pub const TUNE_SCHEMA: &str = "wattlab.simulate-tune/1";

/// All policies that were tried for a load and an objective, and the best of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BatchTuning {
    /// [`TUNE_SCHEMA`]
    pub schema: &'static str,
    /// The objective: seconds that 99 % of the responses must not exceed.
    pub objective_p99_s: f64,
    /// The policy with the fewest joules per request within the objective; `None` if no policy meets
    /// it.
    pub best: Option<PolicyCandidate>,
    /// Single requests, served as they arrive, for comparison.
    pub batch_1: PolicyCandidate,
    /// The share of the joules of single requests that the best policy saves; `None` without a best
    /// policy, or if single requests cannot keep up.
    pub saving: Option<f64>,
    /// Whether single requests meet the objective.
    pub batch_1_in_time: bool,
    /// The Pareto frontier: the policies that no other beats in both joules and p99, by rising p99.
    pub frontier: Vec<PolicyCandidate>,
    /// All policies that were tried.
    pub candidates: Vec<PolicyCandidate>,
}

/// A policy and its simulated figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PolicyCandidate {
    /// The policy, as in a description.
    pub batching: BatchingConfig,
    /// Whether it keeps up with the load.
    pub stable: bool,
    /// The response in seconds that 99 % of the requests do not exceed; `None` if it does not keep
    /// up.
    pub p99_response_s: Option<f64>,
    /// Mean wait in seconds; `None` if it does not keep up.
    pub mean_wait_s: Option<f64>,
    /// Joules per request, idle power included.
    pub energy_j_per_request: Option<f64>,
    /// Mean requests per batch.
    pub mean_batch: f64,
}

/// Finds the policy with the fewest joules per request whose p99 keeps to the objective.
///
/// It simulates `greedy`, `fixed`, `window` and `energy_aware` with sizes up to `largest` (powers of
/// two, and itself) on the described queue, whose own policy is ignored, all with the same
/// requests.
///
/// # Errors
/// [`SimulationError::Config`] for a description that cannot be simulated, an objective that is not
/// above 0, and a description without power.
pub fn tune_batching(
    config: &SimulationConfig,
    objective_p99_s: f64,
    largest: usize,
    threads: NonZeroUsize,
) -> Result<BatchTuning, SimulationError> {
    let objective = limited("objective", objective_p99_s, limits::POSITIVE_DURATION_S)?;
    if config.power.is_none() {
        let needed_by = "tuning".to_owned();
        let expected = "the power of the servers";
        return Err(ConfigError::Missing { key: "power", needed_by, expected }.into());
    }
    let policies = policies(objective, largest);
    let configs: Vec<_> =
        policies.iter().map(|batching| config.clone().with_batching(batching.clone())).collect();
    let reports = simulate_all(&configs, threads)?;
    let candidates: Vec<_> = policies
        .into_iter()
        .zip(&reports)
        .map(|(policy, report)| candidate(policy, report))
        .collect();
    let in_time =
        |found: &&PolicyCandidate| found.p99_response_s.is_some_and(|p99| p99 <= objective);
    let joules = |found: &PolicyCandidate| found.energy_j_per_request.unwrap_or(f64::INFINITY);
    let best =
        candidates.iter().filter(in_time).min_by(|a, b| joules(a).total_cmp(&joules(b))).cloned();
    let batch_1 = candidates[0].clone();
    let saving =
        best.as_ref().filter(|_| batch_1.stable).map(|best| 1.0 - joules(best) / joules(&batch_1));
    let mut known: Vec<_> =
        candidates.iter().filter(|found| found.p99_response_s.is_some()).collect();
    known.sort_by(|a, b| {
        (a.p99_response_s, joules(a))
            .partial_cmp(&(b.p99_response_s, joules(b)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut least = f64::INFINITY;
    let mut frontier = Vec::new();
    for found in known {
        if joules(found) < least {
            least = joules(found);
            frontier.push(found.clone());
        }
    }
    let batch_1_in_time = in_time(&&batch_1);
    Ok(BatchTuning {
        schema: TUNE_SCHEMA,
        objective_p99_s: objective,
        best,
        batch_1,
        saving,
        batch_1_in_time,
        frontier,
        candidates,
    })
}

/// The policies to try, the first of which serves single requests.
fn policies(objective_s: f64, largest: usize) -> Vec<BatchingConfig> {
    let mut sizes: Vec<usize> = (0..usize::BITS)
        .map_while(|power| 1_usize.checked_shl(power))
        .take_while(|&size| size < largest)
        .collect();
    sizes.push(largest);
    let mut policies: Vec<_> = sizes.iter().map(|&size| BatchingConfig::greedy(size)).collect();
    for &size in sizes.iter().filter(|&&size| size > 1) {
        policies.push(BatchingConfig::fixed(size));
        for share in [0.1, 0.25, 0.5, 0.75] {
            policies.push(BatchingConfig::window(size, (share * objective_s).max(1e-9)));
        }
    }
    for share in [0.7, 0.85, 1.0] {
        policies.push(BatchingConfig::energy_aware(largest, share * objective_s));
    }
    policies
}

fn candidate(batching: BatchingConfig, report: &SimulationReport) -> PolicyCandidate {
    PolicyCandidate {
        batching,
        stable: report.stable,
        p99_response_s: report.p99_response.map(|time| time.0),
        mean_wait_s: report.mean_wait.map(|time| time.0),
        energy_j_per_request: report.energy_per_request.map(|energy| energy.0),
        mean_batch: report.mean_batch,
    }
}
