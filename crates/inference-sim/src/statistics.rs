//! What is kept of a simulated queue: sums, a sketch of the responses, and 20 blocks of both.

use record::BatchTimes;

use crate::{engine::Observer, simulation::Growth, sketch::Sketch};

/// Blocks for confidence intervals by batch means.
///
/// The means of long blocks of consecutive requests are nearly independent and normal although
/// the requests in them are neither (Schmeiser 1982, Operations Research 30(3), who finds that
/// more than 30 blocks gain little).
pub(crate) const BLOCKS: usize = 20;

/// The 0.975 quantile of Student's t with `BLOCKS - 1` degrees of freedom.
const T_975: f64 = 2.093_024_054_408_263;

/// Sums over the requests of a block and over the batches whose first measured request is in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block {
    pub(crate) requests: usize,
    pub(crate) batches: usize,
    pub(crate) batch_sizes: usize,
    pub(crate) wait_s: f64,
    pub(crate) response_s: f64,
    pub(crate) service_s: f64,
    first_arrival_s: f64,
}

impl Block {
    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            batches: self.batches + other.batches,
            batch_sizes: self.batch_sizes + other.batch_sizes,
            wait_s: self.wait_s + other.wait_s,
            response_s: self.response_s + other.response_s,
            service_s: self.service_s + other.service_s,
            first_arrival_s: self.first_arrival_s,
        }
    }
}

/// Statistics over the requests from number `warmup` on, and over the time from the first of
/// those arrivals to the last end of service.
pub(crate) struct Statistics {
    warmup: usize,
    measured: usize,
    blocks: Vec<Block>,
    current: Block,
    /// The request that begins the next block.
    next_block: usize,
    last_arrival_s: f64,
    pub(crate) start_s: f64,
    pub(crate) end_s: f64,
    /// Busy time of all servers between start and end.
    pub(crate) busy_s: f64,
    pub(crate) max_wait_s: f64,
    pub(crate) responses: Sketch,
}

impl Statistics {
    /// Of so many requests, of which the first `warmup` are left out; fewer than all.
    pub(crate) fn new(requests: usize, warmup: usize) -> Self {
        Self {
            warmup,
            measured: requests - warmup,
            blocks: Vec::with_capacity(BLOCKS),
            current: Block::default(),
            next_block: warmup,
            last_arrival_s: 0.0,
            start_s: f64::INFINITY,
            end_s: 0.0,
            busy_s: 0.0,
            max_wait_s: 0.0,
            responses: Sketch::new(),
        }
    }

    /// The sums over all measured requests.
    pub(crate) fn total(&self) -> Block {
        self.blocks.iter().copied().fold(self.current, Block::add)
    }

    /// The 95 % confidence interval around `center` of what `value` gives for a block and the
    /// seconds over which its requests arrived; `None` for fewer than two requests a block, or if
    /// a block's value is not a number.
    pub(crate) fn interval(
        &self,
        center: f64,
        value: impl Fn(&Block, f64) -> f64,
    ) -> Option<[f64; 2]> {
        if self.measured < 2 * BLOCKS {
            return None;
        }
        let blocks: Vec<_> = self.blocks.iter().chain([&self.current]).collect();
        let ends = blocks.iter().skip(1).map(|block| block.first_arrival_s);
        let values: Vec<_> = blocks
            .iter()
            .zip(ends.chain([self.last_arrival_s]))
            .map(|(block, end)| value(block, end - block.first_arrival_s))
            .collect();
        if values.iter().any(|value| !value.is_finite()) {
            return None;
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let half_width = T_975 * (squares / (count - 1.0) / count).sqrt();
        Some([center - half_width, center + half_width])
    }

    /// How much longer requests wait in the last block than in the first, over the time between;
    /// `None` for fewer than two requests a block, or if no time passes.
    pub(crate) fn growth(&self) -> Option<Growth> {
        let first = self.blocks.first().filter(|_| self.measured >= 2 * BLOCKS)?;
        let wait = |block: &Block| block.wait_s / block.requests as f64;
        let time = self.current.first_arrival_s - first.first_arrival_s;
        let wait_s_per_s = (wait(&self.current) - wait(first)) / time;
        let served = self.total().requests as f64 / (self.end_s - self.start_s);
        let growth = Growth { wait_s_per_s, requests_per_s: wait_s_per_s * served };
        Some(growth).filter(|growth| growth.requests_per_s.is_finite())
    }

    #[cold]
    fn begin_block(&mut self, arrival_s: f64) {
        if self.current.requests > 0 {
            self.blocks.push(self.current);
        }
        self.current = Block { first_arrival_s: arrival_s, ..Block::default() };
        let begun = self.blocks.len() + 1;
        self.next_block = if begun < BLOCKS && self.measured >= 2 * BLOCKS {
            self.warmup + self.measured / BLOCKS * begun
        } else {
            usize::MAX
        };
    }
}

impl Observer for Statistics {
    #[inline]
    fn arrival(&mut self, request: usize, time_s: f64, free_s: impl Iterator<Item = f64>) {
        if request == self.warmup {
            self.start_s = time_s;
            // All batches so far have begun before, so this is what is left of them.
            self.busy_s = free_s.map(|free| (free - time_s).max(0.0)).sum();
        }
    }

    #[inline]
    fn batch(&mut self, first: usize, batch: &BatchTimes, mut arrivals: impl Iterator<Item = f64>) {
        self.end_s = self.end_s.max(batch.end_s);
        self.busy_s += (batch.end_s - batch.start_s.max(self.start_s)).max(0.0);
        if first < self.warmup {
            arrivals.by_ref().take(self.warmup - first).for_each(drop);
        }
        let mut new = true;
        for (request, arrival_s) in (first.max(self.warmup)..).zip(arrivals) {
            if request == self.next_block {
                self.begin_block(arrival_s);
            }
            if new {
                new = false;
                self.current.batches += 1;
                self.current.batch_sizes += batch.size;
                self.current.service_s += batch.end_s - batch.start_s;
            }
            let wait = batch.start_s - arrival_s;
            let response = batch.end_s - arrival_s;
            self.current.requests += 1;
            self.current.wait_s += wait;
            self.current.response_s += response;
            self.last_arrival_s = arrival_s;
            self.max_wait_s = self.max_wait_s.max(wait);
            self.responses.insert(response);
        }
    }
}
