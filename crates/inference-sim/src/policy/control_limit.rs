//! The best number of requests to wait for, by dynamic programming.

use crate::{power::BatchEnergy, service::ServiceLaw};

/// The answer of [`control_limit`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ControlLimit {
    /// Serve as soon as so many wait.
    pub least: usize,
    /// The long-run cost, in joules (and joule-equivalents of waiting) per second.
    pub cost_w: f64,
}

/// The control limit that minimizes energy and waiting in the long run: serve min(waiting, `cap`)
/// requests as soon as at least so many wait.
///
/// One server, Poisson arrivals of `rate` per second, batches of the mean time of the law (as if
/// each followed another), drawing
/// `idle_w` between them; a waiting or served request costs `waiting_w` joules per second. The
/// semi-Markov decision problem of Xu et al. 2023 (SMDP-based dynamic batching for efficient
/// inference on GPU-based platforms), by relative value iteration after Schweitzer's
/// transformation (Puterman 1994, section 11.4), on queues of at most 4 `cap` + 8 requests more
/// than arrive during the longest batch. For the policy see [`super::MinMax`].
#[must_use]
pub fn control_limit(
    rate: f64,
    law: &ServiceLaw,
    energy: &BatchEnergy,
    idle_w: f64,
    waiting_w: f64,
    cap: usize,
) -> ControlLimit {
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
        let (low, high) = changes.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| {
            (low.min(it), high.max(it))
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
    ControlLimit { least, cost_w }
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
