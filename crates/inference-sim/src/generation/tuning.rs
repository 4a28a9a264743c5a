//! The batch limit with the fewest joules per token that still answers in time.

use std::num::NonZeroUsize;

use serde::Serialize;
use units::{Origin, limits};

use super::{
    config::GenerationConfig,
    report::{GenerationReport, simulate_generation},
};
use crate::{
    error::{ConfigError, limited},
    sweep::in_parallel,
};

/// The schema of [`GenerationTuning`].
pub const GENERATION_TUNE_SCHEMA: &str = "wattlab.simulate-generation-tune/1";

/// What 99 % of the requests must keep to; `None` for no objective.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GenerationObjectives {
    /// Seconds to the first token.
    pub ttft_p99_s: Option<f64>,
    /// Seconds per token after the first, mean of a request.
    pub tpot_p99_s: Option<f64>,
}

impl GenerationObjectives {
    /// Objectives in seconds.
    #[must_use]
    pub fn new(ttft_p99_s: Option<f64>, tpot_p99_s: Option<f64>) -> Self {
        Self { ttft_p99_s, tpot_p99_s }
    }

    fn met(&self, report: &GenerationReport) -> bool {
        let within = |objective: Option<f64>, found: Option<units::Seconds>| {
            objective.is_none_or(|objective| found.is_none_or(|found| found.0 <= objective))
        };
        report.stable
            && report.requests > 0
            && within(self.ttft_p99_s, report.ttft.p99)
            && within(self.tpot_p99_s, report.tpot.p99)
    }
}

/// All batch limits that were tried, and the best of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GenerationTuning {
    /// [`GENERATION_TUNE_SCHEMA`]
    pub schema: &'static str,
    /// The objectives.
    pub objectives: GenerationObjectives,
    /// The limit with the fewest joules per token within the objectives; `None` if no limit meets
    /// them.
    pub best: Option<BatchLimit>,
    /// The joules per token of the smallest limit that keeps up, divided by those of `best`.
    pub smallest_over_best: Option<f64>,
    /// All limits that were tried, rising.
    pub limits: Vec<BatchLimit>,
    /// Whether the joules were measured: always estimated.
    pub energy_origin: Origin,
}

/// A batch limit and its simulated figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BatchLimit {
    /// The most sequences that run at a time.
    pub max_num_seqs: usize,
    /// Whether the server keeps up with its requests.
    pub stable: bool,
    /// Whether the objectives are met.
    pub in_time: bool,
    /// Joules per generated token, idle power included.
    pub energy_j_per_token: Option<f64>,
    /// Joules per request.
    pub energy_j_per_request: Option<f64>,
    /// Seconds to the first token that 99 % do not exceed.
    pub ttft_p99_s: Option<f64>,
    /// Seconds per token after the first that 99 % do not exceed.
    pub tpot_p99_s: Option<f64>,
    /// Generated tokens per second.
    pub output_tokens_per_s: f64,
    /// Sequences that run while steps run, on average.
    pub mean_running: f64,
    /// Preemptions.
    pub preemptions: u64,
}

/// Finds the batch limit (`max_num_seqs`) with the fewest joules per generated token within the
/// objectives.
///
/// It simulates powers of two up to `largest`, and `largest` itself, on the described server, whose
/// own limit is ignored, all with the same requests.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated or has no power, and for objectives that
/// are not above 0.
pub fn tune_batch_limit(
    config: &GenerationConfig,
    objectives: GenerationObjectives,
    largest: usize,
    threads: NonZeroUsize,
) -> Result<GenerationTuning, ConfigError> {
    for objective in [objectives.ttft_p99_s, objectives.tpot_p99_s].into_iter().flatten() {
        limited("objective", objective, limits::POSITIVE_DURATION_S)?;
    }
    if config.power.is_none() {
        let needed_by = "tuning".to_owned();
        let expected = "the power of the server";
        return Err(ConfigError::Missing { key: "power", needed_by, expected });
    }
    let mut sizes: Vec<usize> = (0..usize::BITS)
        .map_while(|power| 1_usize.checked_shl(power))
        .take_while(|&size| size < largest)
        .collect();
    sizes.push(largest);
    let reports = in_parallel(&sizes, threads, |_, &size| {
        simulate_generation(&config.clone().with_batch_limit(size))
    });
    let mut tried = Vec::with_capacity(sizes.len());
    for (&size, report) in sizes.iter().zip(reports) {
        tried.push(limit(size, &report?, &objectives));
    }
    let joules = |found: &BatchLimit| found.energy_j_per_token.unwrap_or(f64::INFINITY);
    let best = tried
        .iter()
        .filter(|found| found.in_time)
        .min_by(|a, b| joules(a).total_cmp(&joules(b)))
        .cloned();
    let smallest = tried.iter().find(|found| found.stable);
    let smallest_over_best =
        best.as_ref().zip(smallest).map(|(best, smallest)| joules(smallest) / joules(best));
    Ok(GenerationTuning {
        schema: GENERATION_TUNE_SCHEMA,
        objectives,
        best,
        smallest_over_best,
        limits: tried,
        energy_origin: Origin::Estimated,
    })
}

fn limit(size: usize, report: &GenerationReport, objectives: &GenerationObjectives) -> BatchLimit {
    BatchLimit {
        max_num_seqs: size,
        stable: report.stable,
        in_time: objectives.met(report),
        energy_j_per_token: report.energy_per_token.map(|energy| energy.0),
        energy_j_per_request: report.energy_per_request.map(|energy| energy.0),
        ttft_p99_s: report.ttft.p99.map(|time| time.0),
        tpot_p99_s: report.tpot.p99.map(|time| time.0),
        output_tokens_per_s: report.output_rate,
        mean_running: report.mean_running,
        preemptions: report.preemptions,
    }
}
