//! What a simulation of a generative model counts.

use crate::{sketch::Sketch, student::t_975};

pub(super) const BLOCKS: usize = 20;

/// Times of one kind: their sum and their quantiles.
pub(super) struct Times {
    pub(super) sketch: Sketch,
    pub(super) sum_s: f64,
    pub(super) count: u64,
}

impl Times {
    pub(super) fn new() -> Self {
        Self { sketch: Sketch::new(), sum_s: 0.0, count: 0 }
    }

    pub(super) fn insert(&mut self, time_s: f64) {
        self.insert_many(time_s, 1);
    }

    /// The same time, this often.
    pub(super) fn insert_many(&mut self, time_s: f64, count: u64) {
        if count > 0 {
            self.sketch.insert_many(time_s, count);
            self.sum_s += time_s * count as f64;
            self.count += count;
        }
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_s / self.count as f64)
    }
}

/// Sums over the requests of a block, in the order in which they are answered.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    pub(super) requests: u64,
    pub(super) ttft_s: f64,
    pub(super) tpot_s: f64,
    /// Requests with more than one token.
    pub(super) several: u64,
    pub(super) response_s: f64,
    /// Joules and generated tokens in the time of the block.
    pub(super) energy_j: f64,
    pub(super) tokens: f64,
}

/// The time that rates and joules cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from_s: f64,
    pub(super) to_s: f64,
}

impl Window {
    /// Seconds of an interval that are in it.
    #[inline]
    pub(super) fn overlap(&self, from_s: f64, to_s: f64) -> f64 {
        (to_s.min(self.to_s) - from_s.max(self.from_s)).max(0.0)
    }

    #[inline]
    pub(super) fn has(&self, time_s: f64) -> bool {
        self.from_s < time_s && time_s <= self.to_s
    }
}

/// Integrals over the window.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Integrals {
    pub(super) time_s: f64,
    pub(super) busy_s: f64,
    pub(super) energy_j: f64,
    pub(super) running_s: f64,
    pub(super) used_s: f64,
    pub(super) most_used: u64,
    pub(super) steps: f64,
    pub(super) step_tokens: f64,
    pub(super) generated: u64,
    pub(super) answered: u64,
    pub(super) preemptions: u64,
    pub(super) lost_tokens: u64,
}

/// The 95 % interval of a ratio of sums by batch means over the blocks; `None` if a block has
/// fewer than two requests.
pub(super) fn interval(
    blocks: &[Block; BLOCKS],
    center: f64,
    ratio: impl Fn(&Block) -> (f64, f64),
) -> Option<[f64; 2]> {
    if blocks.iter().any(|block| block.requests < 2) {
        return None;
    }
    let mut squares = 0.0;
    for block in blocks {
        let (sum, count) = ratio(block);
        if count <= 0.0 {
            return None;
        }
        squares += (sum / count - center).powi(2);
    }
    let degrees = BLOCKS - 1;
    let half = t_975(degrees) * (squares / degrees as f64 / BLOCKS as f64).sqrt();
    half.is_finite().then_some([center - half, center + half])
}

/// Requests that wait, on average in each quarter of the arrivals.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backlog {
    waiting_s: [f64; 4],
    time_s: [f64; 4],
}

impl Backlog {
    pub(super) fn add(&mut self, share: f64, waiting: usize, time_s: f64) {
        if share < 1.0 {
            let quarter = (share * 4.0) as usize;
            self.waiting_s[quarter] += waiting as f64 * time_s;
            self.time_s[quarter] += time_s;
        }
    }

    /// Mean waiting requests in the second and in the last quarter, if they grew with the time as those
    /// of a server do that cannot keep up: in proportion, and by more than 1 % of the arrivals.
    pub(super) fn growth(&self, requests: usize) -> Option<[f64; 2]> {
        let mean = |quarter: usize| {
            let time_s = self.time_s[quarter];
            if time_s > 0.0 { self.waiting_s[quarter] / time_s } else { 0.0 }
        };
        let [_, second, third, last] = [0, 1, 2, 3].map(mean);
        let many = (0.01 * requests as f64).max(10.0);
        let grew = second < third && third < last && last > 1.7 * second && last > many;
        grew.then_some([second, last])
    }
}
