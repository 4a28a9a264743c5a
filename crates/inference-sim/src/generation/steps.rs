//! The description of a step: its time, and its joules.

use serde::{Deserialize, Serialize};
use units::{
    Watts,
    limits::{self, Limit},
};

use super::law::StepLaw;
use crate::error::{ConfigError, limited, limited_count};

/// Tokens of a sequence, or of a step.
pub(super) const TOKENS: Limit<u64> = Limit::whole("number of tokens", "", 1, 10_000_000);
/// Sequences of a step.
pub(super) const SEQUENCES: Limit<u64> = Limit::whole("number of sequences", "", 1, 1_000_000);
const ROWS: Limit<u64> = Limit::whole("number of rows", "", 1, 1_000_000);

/// How long a step takes: the sum of what is given here. At least one must be above 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StepsConfig {
    /// Seconds of every step, such as those of reading the weights.
    #[serde(default)]
    pub base_s: f64,
    /// Seconds of each token that is computed, of a prompt or of an answer.
    #[serde(default)]
    pub per_token_s: f64,
    /// Seconds of each sequence that takes part.
    #[serde(default)]
    pub per_sequence_s: f64,
    /// Seconds of each token in the cache of the sequences that take part, which attention reads.
    #[serde(default)]
    pub per_context_s: f64,
    /// Seconds of each pair of a computed token and a token that it attends to: a prompt of n tokens
    /// has n (n + 1) / 2.
    #[serde(default)]
    pub per_pair_s: f64,
    /// Measured seconds: rows `[tokens of the step, seconds]`, linear between them, constant below
    /// the first, and beyond the last on the line through the last two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Vec<(usize, f64)>>,
}

/// The power of the server: `idle_w` while no step runs, and for a step either a constant power
/// (`busy_w`) or the sum of the joules given here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StepPowerConfig {
    /// While no step runs.
    #[serde(rename = "idle_w")]
    pub idle: Watts,
    /// While a step runs.
    #[serde(rename = "busy_w", default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<Watts>,
    /// Joules of every step.
    #[serde(default)]
    pub step_base_j: f64,
    /// Joules of each token that is computed.
    #[serde(default)]
    pub step_per_token_j: f64,
    /// Joules of each sequence that takes part.
    #[serde(default)]
    pub step_per_sequence_j: f64,
    /// Joules of each token in the cache of the sequences that take part.
    #[serde(default)]
    pub step_per_context_j: f64,
    /// Joules of each pair of a computed token and a token that it attends to.
    #[serde(default)]
    pub step_per_pair_j: f64,
    /// Measured joules: rows `[tokens of the step, joules]`, as `steps.table`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_table_j: Option<Vec<(usize, f64)>>,
}

impl StepsConfig {
    /// `base_s` seconds, and `per_token_s` for each token.
    #[must_use]
    pub fn linear(base_s: f64, per_token_s: f64) -> Self {
        Self { base_s, per_token_s, ..Self::default() }
    }

    /// Measured seconds: rows of tokens and seconds.
    #[must_use]
    pub fn table(rows: Vec<(usize, f64)>) -> Self {
        Self { table: Some(rows), ..Self::default() }
    }

    pub(super) fn law(&self) -> Result<StepLaw, ConfigError> {
        let seconds = |key, value| limited(key, value, limits::DURATION_S);
        let law = StepLaw {
            base: seconds("steps.base_s", self.base_s)?,
            per_token: seconds("steps.per_token_s", self.per_token_s)?,
            per_sequence: seconds("steps.per_sequence_s", self.per_sequence_s)?,
            per_context: seconds("steps.per_context_s", self.per_context_s)?,
            per_pair: seconds("steps.per_pair_s", self.per_pair_s)?,
            table: rows("steps.table", self.table.as_deref(), limits::DURATION_S)?.into(),
        };
        if law.is_zero() {
            return Err(ConfigError::Missing {
                key: "steps.base_s",
                needed_by: "`[steps]`".to_owned(),
                expected: "the time of a step: `base_s`, `per_token_s`, `table` or another key above 0",
            });
        }
        Ok(law)
    }
}

impl StepPowerConfig {
    pub(super) fn idle(idle_w: f64) -> Self {
        Self {
            idle: Watts(idle_w),
            busy: None,
            step_base_j: 0.0,
            step_per_token_j: 0.0,
            step_per_sequence_j: 0.0,
            step_per_context_j: 0.0,
            step_per_pair_j: 0.0,
            step_table_j: None,
        }
    }

    /// `idle_w` watts while no step runs; `base_j` joules for a step, and `per_token_j` for each token.
    #[must_use]
    pub fn linear(idle_w: f64, base_j: f64, per_token_j: f64) -> Self {
        Self { step_base_j: base_j, step_per_token_j: per_token_j, ..Self::idle(idle_w) }
    }

    /// `idle_w` watts while no step runs, and measured joules of steps: rows of tokens and joules.
    #[must_use]
    pub fn table(idle_w: f64, rows: Vec<(usize, f64)>) -> Self {
        Self { step_table_j: Some(rows), ..Self::idle(idle_w) }
    }

    pub(super) fn power(&self) -> Result<StepPower, ConfigError> {
        let joules = |key, value| limited(key, value, limits::ENERGY_J);
        let law = StepLaw {
            base: joules("power.step_base_j", self.step_base_j)?,
            per_token: joules("power.step_per_token_j", self.step_per_token_j)?,
            per_sequence: joules("power.step_per_sequence_j", self.step_per_sequence_j)?,
            per_context: joules("power.step_per_context_j", self.step_per_context_j)?,
            per_pair: joules("power.step_per_pair_j", self.step_per_pair_j)?,
            table: rows("power.step_table_j", self.step_table_j.as_deref(), limits::ENERGY_J)?
                .into(),
        };
        let idle_w = limited("power.idle_w", self.idle.0, limits::POWER_W)?;
        let busy_w = match self.busy {
            None => None,
            Some(busy) => {
                let kind = "steps with joules (`step_…_j`)".to_owned();
                if !law.is_zero() {
                    return Err(ConfigError::Unused { key: "power.busy_w", kind });
                }
                Some(limited("power.busy_w", busy.0, limits::POWER_W)?)
            }
        };
        if busy_w.is_none() && law.is_zero() {
            return Err(ConfigError::Missing {
                key: "power.busy_w",
                needed_by: "`[power]` of a generative model".to_owned(),
                expected: "a number of watts, or the joules of a step (`step_base_j`, \
                           `step_per_token_j`, `step_table_j` and so on)",
            });
        }
        Ok(StepPower { idle_w, busy_w: busy_w.unwrap_or_default(), law })
    }
}

/// The power of a server, checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StepPower {
    pub(super) idle_w: f64,
    /// With the law 0.
    busy_w: f64,
    law: StepLaw,
}

impl StepPower {
    /// Joules of a step of this many seconds.
    #[inline]
    pub(super) fn joules(&self, step: &super::scheduler::TokenStep, seconds: f64) -> f64 {
        self.busy_w * seconds + self.law.of(step)
    }
}

/// A table, checked; empty without one.
fn rows(
    key: &'static str,
    rows: Option<&[(usize, f64)]>,
    limit: Limit<f64>,
) -> Result<Vec<(u32, f64)>, ConfigError> {
    let Some(rows) = rows else { return Ok(Vec::new()) };
    limited_count(key, rows.len(), ROWS)?;
    let mut checked: Vec<(u32, f64)> = Vec::with_capacity(rows.len());
    for &(tokens, value) in rows {
        let tokens = limited_count(key, tokens, TOKENS)? as u32;
        let value = limited(key, value, limit)?;
        if let Some(&(last, _)) = checked.last().filter(|last| last.0 >= tokens) {
            let found = format!("a row for {tokens} tokens after {last}");
            let expected = "rows of [tokens, value] whose tokens rise";
            return Err(ConfigError::Invalid { key, found, expected });
        }
        checked.push((tokens, value));
    }
    Ok(checked)
}
