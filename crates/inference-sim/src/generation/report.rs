//! The results of a simulation of a generative model.

use serde::Serialize;
use units::{Joules, Origin, Seconds};

use super::{
    config::GenerationConfig,
    engine::{AnsweredRequest, Counts, Setup},
    statistics::{Block, Times, interval},
};
use crate::error::ConfigError;

/// The schema of [`GenerationReport`].
pub const GENERATION_SCHEMA: &str = "wattlab.simulate-generation/1";

/// Mean and quantiles of a time. The quantiles are at most 0.1 % off those of the simulated times;
/// `None` where nothing was counted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TimeQuantiles {
    /// The mean.
    #[serde(rename = "mean_s")]
    pub mean: Option<Seconds>,
    /// The median.
    #[serde(rename = "p50_s")]
    pub p50: Option<Seconds>,
    /// What 90 % do not exceed.
    #[serde(rename = "p90_s")]
    pub p90: Option<Seconds>,
    /// What 95 % do not exceed.
    #[serde(rename = "p95_s")]
    pub p95: Option<Seconds>,
    /// What 99 % do not exceed.
    #[serde(rename = "p99_s")]
    pub p99: Option<Seconds>,
    /// What 99.9 % do not exceed.
    #[serde(rename = "p999_s")]
    pub p999: Option<Seconds>,
}

/// Statistics of a simulated server of a generative model.
///
/// Times are those of the requests after the warm-up. Rates, joules and the use of the cache cover,
/// with a warm-up, the time from the first of these requests to the arrival of the one after the last
/// (the steady state), and without one the whole run.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GenerationReport {
    /// [`GENERATION_SCHEMA`]
    pub schema: &'static str,
    /// Requests that were answered: all but the warm-up and those that were rejected.
    pub requests: usize,
    /// Tokens of their prompts.
    pub prompt_tokens: u64,
    /// Tokens of their answers.
    pub output_tokens: u64,
    /// Requests whose prompts were too long; not in `requests`.
    pub rejected: usize,
    /// Requests whose answers ended at `batching.max_model_len`, or at the size of the cache.
    pub truncated: usize,
    /// Arrival to the start of the first step.
    pub wait: TimeQuantiles,
    /// Time to first token: arrival to the end of the step that generates it.
    pub ttft: TimeQuantiles,
    /// Time per output token after the first: the mean of a request, over requests with several.
    pub tpot: TimeQuantiles,
    /// Inter-token latency: each time between two tokens of a request.
    pub itl: TimeQuantiles,
    /// Arrival to the last token.
    pub response: TimeQuantiles,
    /// The time that rates and joules cover.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// Requests per second.
    #[serde(rename = "throughput_rps")]
    pub throughput: f64,
    /// Generated tokens per second.
    #[serde(rename = "output_tokens_per_s")]
    pub output_rate: f64,
    /// Share of the time in which a step runs.
    #[serde(rename = "utilisation")]
    pub utilization: f64,
    /// Sequences that run, mean over the time in which steps run.
    pub mean_running: f64,
    /// Tokens that a step computes, on average.
    pub mean_step_tokens: f64,
    /// Steps.
    pub steps: f64,
    /// Share of the cache that is in use, mean over the time; `None` for a cache without limit.
    pub cache_use: Option<f64>,
    /// The largest share of the cache in use.
    pub cache_use_max: Option<f64>,
    /// Preemptions.
    pub preemptions: u64,
    /// Tokens that were computed again because of them.
    pub recomputed_tokens: u64,
    /// Energy of the server, idle power included; `None` without powers.
    #[serde(rename = "energy_j")]
    pub energy: Option<Joules>,
    /// Energy per generated token.
    #[serde(rename = "energy_j_per_token")]
    pub energy_per_token: Option<Joules>,
    /// Energy per answered request.
    #[serde(rename = "energy_j_per_request")]
    pub energy_per_request: Option<Joules>,
    /// Whether the joules were measured: always estimated, as no simulated joule is a measurement.
    pub energy_origin: Option<Origin>,
    /// Whether the server keeps up with its requests. If not, they wait ever longer, and times depend on
    /// the number of requests. A trace and clients that wait for answers count as stable.
    pub stable: bool,
    /// Requests that wait, in the second and in the last quarter of the arrivals, if the server does
    /// not keep up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_grew: Option<[f64; 2]>,
    /// 95 % confidence intervals.
    pub ci95: GenerationIntervals,
}

/// 95 % confidence intervals, `[low, high]`, by batch means over 20 blocks of requests; `None` for
/// fewer than 40, and where the server does not keep up.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct GenerationIntervals {
    /// Of the mean of `ttft`.
    pub mean_ttft_s: Option<[f64; 2]>,
    /// Of the mean of `tpot`.
    pub mean_tpot_s: Option<[f64; 2]>,
    /// Of the mean of `response`.
    pub mean_response_s: Option<[f64; 2]>,
    /// Of `energy_per_token`.
    pub energy_j_per_token: Option<[f64; 2]>,
}

/// Simulates a server of a generative model. The same description always gives the same report.
///
/// Memory grows with the requests that wait or run at a time, not with those simulated.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated, and if more requests wait than there
/// is memory for.
pub fn simulate_generation(config: &GenerationConfig) -> Result<GenerationReport, ConfigError> {
    simulate_generation_observed(config, |_| {})
}

/// Simulates as [`simulate_generation`] does, and calls `answered` with each request, including those of
/// the warm-up, as soon as its last token is generated.
///
/// # Errors
/// As [`simulate_generation`].
pub fn simulate_generation_observed(
    config: &GenerationConfig,
    mut answered: impl FnMut(&AnsweredRequest),
) -> Result<GenerationReport, ConfigError> {
    let setup = Setup::new(config)?;
    let bounded = setup.bounded;
    let powered = setup.power.is_some();
    let blocks = config.cache.as_ref().map(|cache| cache.blocks as f64);
    let counts = setup.run(&mut answered)?;
    Ok(report(&counts, config.requests, bounded, powered, blocks))
}

fn report(
    counts: &Counts,
    requests: usize,
    bounded: bool,
    powered: bool,
    blocks: Option<f64>,
) -> GenerationReport {
    let sums = &counts.sums;
    let duration_s = counts.window.to_s - counts.window.from_s;
    let per = |part: f64, whole: f64| Joules(part / whole);
    let energy = |count: f64| powered.then(|| per(sums.energy_j, count));
    let waiting_grew = if bounded { None } else { counts.backlog.growth(requests) };
    let stable = waiting_grew.is_none();
    let of = |times: &Times, ratio: &dyn Fn(&Block) -> (f64, f64)| {
        interval(&counts.blocks, times.mean()?, ratio).filter(|_| stable)
    };
    let per_token = energy(sums.generated as f64);
    let ci95 = GenerationIntervals {
        mean_ttft_s: of(&counts.ttft, &|block| (block.ttft_s, block.requests as f64)),
        mean_tpot_s: of(&counts.tpot, &|block| (block.tpot_s, block.several as f64)),
        mean_response_s: of(&counts.response, &|block| (block.response_s, block.requests as f64)),
        energy_j_per_token: per_token
            .and_then(|center| {
                interval(&counts.blocks, center.0, |block| (block.energy_j, block.tokens))
            })
            .filter(|_| stable),
    };
    GenerationReport {
        schema: GENERATION_SCHEMA,
        requests: counts.response.count as usize,
        prompt_tokens: counts.prompt_tokens,
        output_tokens: counts.output_tokens,
        rejected: counts.rejected,
        truncated: counts.truncated,
        wait: quantiles(&counts.wait),
        ttft: quantiles(&counts.ttft),
        tpot: quantiles(&counts.tpot),
        itl: quantiles(&counts.itl),
        response: quantiles(&counts.response),
        duration: Seconds(duration_s),
        throughput: sums.answered as f64 / duration_s,
        output_rate: sums.generated as f64 / duration_s,
        utilization: sums.busy_s / duration_s,
        mean_running: sums.running_s / sums.busy_s,
        mean_step_tokens: sums.step_tokens / sums.steps,
        steps: sums.steps,
        cache_use: blocks.map(|blocks| sums.used_s / duration_s / blocks),
        cache_use_max: blocks.map(|blocks| sums.most_used as f64 / blocks),
        preemptions: sums.preemptions,
        recomputed_tokens: sums.lost_tokens,
        energy: powered.then_some(Joules(sums.energy_j)),
        energy_per_token: per_token,
        energy_per_request: energy(sums.answered as f64),
        energy_origin: powered.then_some(Origin::Estimated),
        stable,
        waiting_grew,
        ci95,
    }
}

fn quantiles(times: &Times) -> TimeQuantiles {
    let quantile = |share| (times.count > 0).then(|| Seconds(times.sketch.quantile(share)));
    TimeQuantiles {
        mean: times.mean().map(Seconds),
        p50: quantile(0.5),
        p90: quantile(0.9),
        p95: quantile(0.95),
        p99: quantile(0.99),
        p999: quantile(0.999),
    }
}
