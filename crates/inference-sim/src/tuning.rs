//! The batch policy and size that take the fewest joules and still answer in time.

use std::num::NonZeroUsize;

use serde::Serialize;

use crate::{
    config::{BatchingConfig, PolicyKind, SimulationConfig},
    error::{ConfigError, positive},
    report::SimulationReport,
    sweep::simulate_all,
};

/// The schema of [`Tuning`].
pub const TUNE_SCHEMA: &str = "wattlab.simulate-tune/1";

const OBJECTIVE: &str = "a finite number above 0, in seconds";

/// What was tried for a load and an objective, and what is best.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tuning {
    /// [`TUNE_SCHEMA`]
    pub schema: &'static str,
    /// Seconds that 99 % of the responses must not exceed.
    pub objective_p99_s: f64,
    /// The fewest joules per request within the objective; `None` if nothing is.
    pub best: Option<Candidate>,
    /// Single requests as they come, for comparison.
    pub batch_1: Candidate,
    /// Share of the joules of single requests that the best saves; `None` without a best, or where
    /// single requests cannot keep up.
    pub saving: Option<f64>,
    /// Whether single requests keep to the objective.
    pub batch_1_in_time: bool,
    /// The candidates that no other beats in both joules and p99, by rising p99.
    pub frontier: Vec<Candidate>,
    /// All that was tried.
    pub candidates: Vec<Candidate>,
}

/// A policy and what it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// As in the file.
    pub batching: BatchingConfig,
    /// Whether it keeps up with the load.
    pub stable: bool,
    /// The response that 99 % do not exceed; `None` if it does not keep up.
    pub p99_response_s: Option<f64>,
    /// Mean wait.
    pub mean_wait_s: Option<f64>,
    /// Joules per request, idle power included.
    pub energy_j_per_request: Option<f64>,
    /// Requests per batch.
    pub mean_batch: f64,
}

/// Tries greedy batches, full batches, windows and the energy-aware policy in sizes up to `largest`
/// (powers of two, and itself) on the queue described, whose own policy does not matter, all with
/// the same requests.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated, an objective that is not above 0,
/// and a description without power.
pub fn tune(
    config: &SimulationConfig,
    objective_p99_s: f64,
    largest: usize,
    threads: NonZeroUsize,
) -> Result<Tuning, ConfigError> {
    let objective = positive("objective", objective_p99_s, OBJECTIVE)?;
    if config.power.is_none() {
        return Err(ConfigError::Missing {
            key: "power",
            needed_by: "`tune`",
            expected: "what the servers draw",
        });
    }
    let policies = policies(objective, largest);
    let configs: Vec<_> = policies
        .iter()
        .map(|batching| SimulationConfig { batching: batching.clone(), ..config.clone() })
        .collect();
    let reports = simulate_all(&configs, threads)?;
    let candidates: Vec<_> =
        policies.into_iter().zip(&reports).map(|(policy, it)| candidate(policy, it)).collect();
    let in_time = |it: &&Candidate| it.p99_response_s.is_some_and(|p99| p99 <= objective);
    let joules = |it: &Candidate| it.energy_j_per_request.unwrap_or(f64::INFINITY);
    let best =
        candidates.iter().filter(in_time).min_by(|a, b| joules(a).total_cmp(&joules(b))).cloned();
    let batch_1 = candidates[0].clone();
    let saving =
        best.as_ref().filter(|_| batch_1.stable).map(|best| 1.0 - joules(best) / joules(&batch_1));
    let mut known: Vec<_> = candidates.iter().filter(|it| it.p99_response_s.is_some()).collect();
    known.sort_by(|a, b| {
        (a.p99_response_s, joules(a))
            .partial_cmp(&(b.p99_response_s, joules(b)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    let mut least = f64::INFINITY;
    let mut frontier = Vec::new();
    for it in known {
        if joules(it) < least {
            least = joules(it);
            frontier.push(it.clone());
        }
    }
    let batch_1_in_time = in_time(&&batch_1);
    let schema = TUNE_SCHEMA;
    Ok(Tuning {
        schema,
        objective_p99_s: objective,
        best,
        batch_1,
        saving,
        batch_1_in_time,
        frontier,
        candidates,
    })
}

/// Greedy batches of 1 first.
fn policies(objective_s: f64, largest: usize) -> Vec<BatchingConfig> {
    let mut sizes: Vec<usize> = (0..usize::BITS)
        .map_while(|power| 1_usize.checked_shl(power))
        .take_while(|&size| size < largest)
        .collect();
    sizes.push(largest);
    let plain = BatchingConfig::new;
    let mut policies: Vec<_> = sizes.iter().map(|&size| plain(PolicyKind::Greedy, size)).collect();
    for &size in sizes.iter().filter(|&&size| size > 1) {
        policies.push(plain(PolicyKind::Fixed, size));
        for share in [0.1, 0.25, 0.5, 0.75] {
            let delay_s = Some((share * objective_s).max(1e-9));
            policies.push(BatchingConfig { delay_s, ..plain(PolicyKind::Window, size) });
        }
    }
    for share in [0.7, 0.85, 1.0] {
        let objective_s = Some(share * objective_s);
        policies.push(BatchingConfig { objective_s, ..plain(PolicyKind::EnergyAware, largest) });
    }
    policies
}

fn candidate(batching: BatchingConfig, report: &SimulationReport) -> Candidate {
    Candidate {
        batching,
        stable: report.stable,
        p99_response_s: report.p99_response.map(|it| it.0),
        mean_wait_s: report.mean_wait.map(|it| it.0),
        energy_j_per_request: report.energy_per_request.map(|it| it.0),
        mean_batch: report.mean_batch,
    }
}
