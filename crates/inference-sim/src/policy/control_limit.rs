//! The best number of requests to wait for, by dynamic programming.

use units::limits::{self, Limit};

use super::{
    config::BatchingConfig,
    context::PolicyContext,
    decision::{Decision, Policy, Queue},
    key::{PolicyKey, SIZE, Value, checked_size},
    kind::PolicyKind,
    min_max::MinMax,
};
use crate::{
    error::{ConfigError, limited, within},
    power::BatchEnergy,
    service::ServiceLaw,
};

const WAITING: PolicyKey =
    PolicyKey::number("batching.waiting_w", "a number of watts per request, at least 0");

/// Larger decision problems would take minutes.
const TRANSITIONS: Limit<f64> = Limit::real("transitions", "", 0.0, 1e6);
const SMALLER: &str = "a smaller decision problem: lower `batching.size` or `arrivals.rate`";

pub(super) const KIND: PolicyKind = PolicyKind::new(
    "control_limit",
    "up to `size` requests once enough wait; the minimum is the one with the least energy \
              in the long run, counting `waiting_w` watts for each request in the system",
    &[SIZE, WAITING],
);

pub(super) fn build(
    config: &BatchingConfig,
    context: &PolicyContext<'_>,
) -> Result<ControlLimit, ConfigError> {
    let (waiting_w, size) = (config.number(WAITING)?, config.count(SIZE)?);
    ControlLimit::new(size, waiting_w, context)
}

/// Waits for the number of requests that makes energy and waiting cheapest in the long run, then
/// serves what waits up to a cap.
///
/// The optimum holds for one server, Poisson arrivals and batches of the mean time of the law, as if
/// each followed another at once. It is the solution of the semi-Markov decision problem of Xu et al.
/// 2023 (SMDP-based dynamic batching for efficient inference on GPU-based platforms).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControlLimit {
    policy: MinMax,
    cost_w: f64,
}

impl ControlLimit {
    /// The optimum for batches of at most `cap` requests, where a waiting or served request costs
    /// `waiting_w` joules per second.
    ///
    /// # Errors
    /// [`ConfigError`] for a cap outside [`crate::limits::BATCH`], a cost outside
    /// [`crate::limits::POWER_W`], and a decision problem that is too large: about a million
    /// transitions, such as a cap of 500 with 400 arrivals during the longest batch.
    pub fn new(
        cap: usize,
        waiting_w: f64,
        context: &PolicyContext<'_>,
    ) -> Result<Self, ConfigError> {
        let cap = checked_size(cap)?;
        let waiting_w = limited(WAITING.path, waiting_w, limits::POWER_W)?;
        let &PolicyContext { rate, law, energy, idle_w, .. } = context;
        let longest = (1..=cap).map(|size| law.mean_s(size)).fold(0.0, f64::max);
        let arrived = rate * longest;
        let transitions = (4.0 * cap as f64 + 2.0 * arrived) * (arrived + 1.0);
        within(SIZE.path, cap, TRANSITIONS.check(transitions).is_ok(), SMALLER)?;
        let (least, cost_w) = control_limit(rate, law, energy, idle_w, waiting_w, cap);
        Ok(Self { policy: MinMax::new(least, cap)?, cost_w })
    }

    /// It serves as soon as this many requests wait.
    #[must_use]
    pub fn least(&self) -> usize {
        self.policy.min_size()
    }

    /// The long-run cost, in joules (of energy and of waiting) per second.
    #[must_use]
    pub fn cost_w(&self) -> f64 {
        self.cost_w
    }
}

impl BatchingConfig {
    /// [`ControlLimit`]: at most `size` requests, where a waiting or served request costs
    /// `waiting_w` joules per second.
    #[must_use]
    pub fn control_limit(size: usize, waiting_w: f64) -> Self {
        Self::of(KIND).with(SIZE, Value::Count(size)).with(WAITING, Value::Number(waiting_w))
    }
}

impl Policy for ControlLimit {
    #[inline]
    fn decide(&self, queue: &Queue) -> Decision {
        self.policy.decide(queue)
    }

    fn max_size(&self) -> usize {
        self.policy.max_size()
    }

    fn min_size(&self) -> usize {
        self.policy.min_size()
    }
}

/// The number of requests to wait for, and the long-run cost in watts.
///
/// `rate` requests arrive per second; an idle server draws `idle_w` watts; a waiting or served
/// request costs `waiting_w` joules per second. Solved by relative value iteration after
/// Schweitzer's transformation (Puterman 1994, section 11.4), on queues of at most 4 `cap` + 8
/// requests more than arrive during the longest batch.
fn control_limit(
    rate: f64,
    law: &ServiceLaw,
    energy: &BatchEnergy,
    idle_w: f64,
    waiting_w: f64,
    cap: usize,
) -> (usize, f64) {
    let longest = (1..=cap).map(|size| law.mean_s(size)).fold(0.0, f64::max);
    let states = 4 * cap + 8 + (2.0 * rate * longest).ceil() as usize;
    let batches: Vec<Batch> = (1..=cap).map(|size| Batch::new(size, rate, law, energy)).collect();
    // No longer than any sojourn, so that what is left of one has a probability.
    let step = batches.iter().map(|batch| batch.time_s).fold(1.0 / rate, f64::min) * 0.9;
    let serve = |waiting: usize, values: &[f64]| {
        let batch = &batches[waiting.min(cap) - 1];
        let arrived = rate * batch.time_s / 2.0;
        let cost = batch.joules + waiting_w * (waiting as f64 + arrived) * batch.time_s;
        let next = batch.after(waiting - waiting.min(cap), values);
        (step / batch.time_s) * (cost + next - values[waiting]) + values[waiting]
    };
    let wait = |waiting: usize, values: &[f64]| {
        let cost = (idle_w + waiting_w * waiting as f64) / rate;
        let next = values[(waiting + 1).min(values.len() - 1)];
        (step * rate) * (cost + next - values[waiting]) + values[waiting]
    };
    let mut values = vec![0.0; states];
    let mut cost_w = f64::NAN;
    for _ in 0..100_000 {
        let new: Vec<f64> = (0..states)
            .map(|waiting| match waiting {
                0 => wait(0, &values),
                _ if waiting + 1 == states => serve(waiting, &values),
                _ => wait(waiting, &values).min(serve(waiting, &values)),
            })
            .collect();
        let changes = new.iter().zip(&values).map(|(new, old)| new - old);
        let (low, high) = changes
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), change| {
                (low.min(change), high.max(change))
            });
        cost_w = f64::midpoint(low, high) / step;
        let base = new[0];
        values = new.into_iter().map(|value| value - base).collect();
        if high - low <= 1e-9 * high.abs() {
            break;
        }
    }
    let least =
        (1..=cap).find(|&waiting| serve(waiting, &values) <= wait(waiting, &values)).unwrap_or(cap);
    (least, cost_w)
}

struct Batch {
    time_s: f64,
    joules: f64,
    /// Probabilities that 0, 1, ... requests arrive meanwhile.
    arrivals: Vec<f64>,
}

impl Batch {
    fn new(size: usize, rate: f64, law: &ServiceLaw, energy: &BatchEnergy) -> Self {
        let time_s = law.mean_s(size).max(f64::MIN_POSITIVE);
        let mean = rate * time_s;
        let mut arrivals = Vec::new();
        let (mut log, mut left) = (-mean, 1.0);
        while left > 1e-12 && arrivals.len() < 100_000 {
            let probability = log.exp();
            arrivals.push(probability);
            left -= probability;
            log += (mean / arrivals.len() as f64).ln();
            if arrivals.len() as f64 > mean && probability < 1e-15 {
                break;
            }
        }
        Self { time_s, joules: energy.joules(size, time_s, 0.0), arrivals }
    }

    /// The expected value of the state after it, `left` requests having stayed behind.
    fn after(&self, left: usize, values: &[f64]) -> f64 {
        let last = values.len() - 1;
        let arrivals = self.arrivals.iter().enumerate();
        arrivals.map(|(arrived, share)| share * values[(left + arrived).min(last)]).sum()
    }
}
