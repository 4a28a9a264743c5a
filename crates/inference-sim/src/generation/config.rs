//! The description of a generative model and its load, as in `wattlab simulate FILE.toml`.

use serde::{Deserialize, Serialize};
use units::{Watts, limits::Limit};

use super::{
    step_fit::StepCalibration,
    steps::{SEQUENCES, StepPowerConfig, StepsConfig, TOKENS},
};
use crate::{
    config::{ArrivalConfig, CountConfig},
    error::{ConfigError, limited_count, within},
};

const BLOCK: Limit<u64> = Limit::whole("tokens of a block", "", 1, 1_000_000);
const BLOCKS: Limit<u64> = Limit::whole("number of blocks", "", 1, 1_000_000_000_000);
/// Their times are not kept, but their tokens take time.
const REQUESTS: Limit<u64> = Limit::whole("number of requests", "", 1, 1_000_000_000);

/// A generative model, its load and the limits of its server: the description with `[tokens]` that
/// `wattlab simulate FILE.toml` reads.
///
/// ```
/// use wattlab_inference_sim::{
///     ArrivalConfig, ContinuousConfig, CountConfig, GenerationConfig, StepsConfig, TokensConfig,
///     simulate_generation,
/// };
///
/// // 20 requests per second; a step takes 10 ms, and 0.1 ms per token.
/// let model = GenerationConfig::new(
///     ArrivalConfig::poisson(20.0),
///     TokensConfig::new(CountConfig::fixed(200), CountConfig::geometric(50.0)),
///     StepsConfig::linear(0.01, 0.0001),
///     ContinuousConfig::new(64, 2048),
/// );
/// let report = simulate_generation(&model)?;
/// assert!(report.stable && report.ttft.p99.unwrap().0 < 0.2);
/// # Ok::<(), wattlab_inference_sim::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GenerationConfig {
    /// Every random number is a function of this and of its purpose.
    pub seed: u64,
    /// Requests in all, at least 1.
    pub requests: usize,
    /// Requests at the beginning that are left out of the statistics; fewer than `requests`. With a
    /// warm-up, the statistics are those of a steady state: requests keep coming until the last one
    /// that counts is answered.
    #[serde(default)]
    pub warmup: usize,
    /// When requests come.
    pub arrivals: ArrivalConfig,
    /// How many tokens they have.
    pub tokens: TokensConfig,
    /// How long a step takes.
    pub steps: StepsConfig,
    /// What a step may compute.
    pub batching: ContinuousConfig,
    /// The cache of keys and values; without limit if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheConfig>,
    /// The power of the server; without it, the report has no energies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<StepPowerConfig>,
    /// The measured steps that `steps` and `power` were fitted to, written by
    /// `wattlab simulate calibrate --steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<StepCalibration>,
}

/// Tokens of prompts and of answers; from the columns `prompt_tokens` and `output_tokens` of a trace
/// where they are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TokensConfig {
    /// Tokens of a prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<CountConfig>,
    /// Tokens of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<CountConfig>,
}

/// What a step may compute: continuous batching, with the names of vLLM's options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContinuousConfig {
    /// The kind of batching.
    pub policy: GenerationPolicy,
    /// The most sequences that run at a time: the batch limit.
    pub max_num_seqs: usize,
    /// The most tokens that a step computes.
    pub max_num_batched_tokens: usize,
    /// Whether a prompt may be computed in several steps; yes if left out.
    #[serde(default = "yes")]
    pub enable_chunked_prefill: bool,
    /// The most tokens of one sequence in a step; without limit if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub long_prefill_token_threshold: Option<usize>,
    /// The most tokens of a prompt and its answer. A longer prompt is rejected, and an answer ends when
    /// it is reached. As much as the cache and, without chunked prefill, a step can hold if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_model_len: Option<usize>,
}

/// Kinds of batching for generative models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum GenerationPolicy {
    /// Sequences join and leave at every step.
    Continuous,
}

/// The paged cache of keys and values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CacheConfig {
    /// Tokens of a block; 16 if left out.
    #[serde(default = "sixteen")]
    pub block_size: usize,
    /// Blocks. vLLM keeps one of its `num_gpu_blocks` for itself.
    pub blocks: usize,
    /// Share of the blocks that must stay free when a sequence is admitted while others run; 0 if left
    /// out.
    #[serde(default)]
    pub watermark: f64,
    /// Whether a sequence is admitted only if all its tokens so far fit, not just those of its first
    /// step; no if left out.
    #[serde(default)]
    pub reserve_prompt: bool,
}

fn yes() -> bool {
    true
}

fn sixteen() -> usize {
    16
}

impl TokensConfig {
    /// Laws of the tokens of prompts and of answers.
    #[must_use]
    pub fn new(prompt: CountConfig, output: CountConfig) -> Self {
        Self { prompt: Some(prompt), output: Some(output) }
    }
}

impl ContinuousConfig {
    /// At most `max_num_seqs` sequences at a time and `max_num_batched_tokens` tokens in a step, with
    /// chunked prefill.
    #[must_use]
    pub fn new(max_num_seqs: usize, max_num_batched_tokens: usize) -> Self {
        Self {
            policy: GenerationPolicy::Continuous,
            max_num_seqs,
            max_num_batched_tokens,
            enable_chunked_prefill: true,
            long_prefill_token_threshold: None,
            max_model_len: None,
        }
    }

    /// The same, where a prompt must be computed in one step.
    #[must_use]
    pub fn without_chunks(self) -> Self {
        Self { enable_chunked_prefill: false, ..self }
    }

    /// The same with a limit of the tokens of a prompt and its answer.
    #[must_use]
    pub fn with_model_len(self, max_model_len: usize) -> Self {
        Self { max_model_len: Some(max_model_len), ..self }
    }
}

impl CacheConfig {
    /// A cache of this many blocks of `block_size` tokens.
    #[must_use]
    pub fn new(block_size: usize, blocks: usize) -> Self {
        Self { block_size, blocks, watermark: 0.0, reserve_prompt: false }
    }

    /// The same, where a sequence is admitted only if all its tokens fit.
    #[must_use]
    pub fn reserving_prompts(self) -> Self {
        Self { reserve_prompt: true, ..self }
    }
}

impl GenerationConfig {
    /// A server: 10,000 requests, of which the first 500 are left out of the statistics, with seed 1,
    /// without limit of the cache and without powers.
    #[must_use]
    pub fn new(
        arrivals: ArrivalConfig,
        tokens: TokensConfig,
        steps: StepsConfig,
        batching: ContinuousConfig,
    ) -> Self {
        Self {
            seed: 1,
            requests: 10_000,
            warmup: 500,
            arrivals,
            tokens,
            steps,
            batching,
            cache: None,
            power: None,
            calibration: None,
        }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with `requests` requests, of which the first `warmup` are left out of the statistics.
    #[must_use]
    pub fn with_requests(self, requests: usize, warmup: usize) -> Self {
        Self { requests, warmup, ..self }
    }

    /// The same with a cache.
    #[must_use]
    pub fn with_cache(self, cache: CacheConfig) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// The same with powers, so that the report has energies.
    #[must_use]
    pub fn with_power(self, power: StepPowerConfig) -> Self {
        Self { power: Some(power), ..self }
    }

    /// The same with another batch limit.
    #[must_use]
    pub fn with_batch_limit(mut self, max_num_seqs: usize) -> Self {
        self.batching.max_num_seqs = max_num_seqs;
        self
    }

    /// The same with a constant power while a step runs and another while none does, in watts.
    #[must_use]
    pub fn with_watts(self, idle_w: f64, busy_w: f64) -> Self {
        let power = StepPowerConfig { busy: Some(Watts(busy_w)), ..StepPowerConfig::idle(idle_w) };
        self.with_power(power)
    }

    /// Checks the numbers that no part can check alone, and returns the most tokens of a sequence.
    pub(super) fn check(&self) -> Result<u32, ConfigError> {
        limited_count("requests", self.requests, REQUESTS)?;
        within("warmup", self.warmup, self.warmup < self.requests, "less than `requests`")?;
        let batching = &self.batching;
        limited_count("batching.max_num_seqs", batching.max_num_seqs, SEQUENCES)?;
        let key = "batching.max_num_batched_tokens";
        let mut most = limited_count(key, batching.max_num_batched_tokens, TOKENS)?;
        if let Some(threshold) = batching.long_prefill_token_threshold {
            limited_count("batching.long_prefill_token_threshold", threshold, TOKENS)?;
        }
        if batching.enable_chunked_prefill {
            most = TOKENS.max() as usize;
        }
        if let Some(cache) = &self.cache {
            limited_count("cache.block_size", cache.block_size, BLOCK)?;
            limited_count("cache.blocks", cache.blocks, BLOCKS)?;
            let share = "a share of the blocks from 0 to 0.99";
            let valid = (0.0..=0.99).contains(&cache.watermark);
            within("cache.watermark", cache.watermark, valid, share)?;
            most = most.min(cache.block_size.saturating_mul(cache.blocks));
        }
        if let Some(longest) = batching.max_model_len {
            let key = "batching.max_model_len";
            limited_count(key, longest, TOKENS)?;
            let expected = "at most the tokens of the cache (`cache.blocks` · `cache.block_size`) \
                            and, without chunked prefill, `batching.max_num_batched_tokens`";
            most = within(key, longest, longest <= most, expected)?;
        }
        Ok(u32::try_from(most).unwrap_or(u32::MAX))
    }
}

/// The work of a simulation: more would take hours.
pub(super) const WORK: Limit<f64> = Limit::real("tokens of all requests together", "", 0.0, 1e12);
