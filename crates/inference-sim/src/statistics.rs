//! Statistics of a simulated queue: sums in total and in 20 blocks, and a sketch of the responses.

use crate::{
    config::StatisticsConfig,
    engine::{Observer, StartedBatch},
    growth::Growth,
    power::BatchEnergy,
    sketch::Sketch,
};

/// Blocks for confidence intervals by batch means.
///
/// The means of long blocks of consecutive requests are nearly independent and normal although
/// the requests in them are neither (Schmeiser 1982, Operations Research 30(3), who finds that
/// more than 30 blocks gain little).
pub(crate) const BLOCKS: usize = 20;

/// The 0.975 quantile of Student's t with `BLOCKS - 1` degrees of freedom.
const T_975: f64 = 2.093_024_054_408_263;

/// Sums over the requests of a block, and over the batches whose first measured request is in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Block {
    pub(crate) requests: usize,
    pub(crate) batches: usize,
    pub(crate) batch_sizes: usize,
    /// Images, and those that were asked of the large network of a cascade.
    pub(crate) items: usize,
    pub(crate) asked: usize,
    pub(crate) wait_s: f64,
    pub(crate) response_s: f64,
    pub(crate) service_s: f64,
    pub(crate) batch_j: f64,
    /// Requests that waited at all.
    pub(crate) waited: usize,
    pub(crate) wait_s2: f64,
    first_arrival_s: f64,
}

impl Block {
    fn add(self, other: Self) -> Self {
        Self {
            requests: self.requests + other.requests,
            batches: self.batches + other.batches,
            batch_sizes: self.batch_sizes + other.batch_sizes,
            items: self.items + other.items,
            asked: self.asked + other.asked,
            wait_s: self.wait_s + other.wait_s,
            response_s: self.response_s + other.response_s,
            service_s: self.service_s + other.service_s,
            batch_j: self.batch_j + other.batch_j,
            waited: self.waited + other.waited,
            wait_s2: self.wait_s2 + other.wait_s2,
            first_arrival_s: self.first_arrival_s,
        }
    }
}

/// Statistics over the requests from number `warmup` on.
///
/// The time that they cover begins with the first of those arrivals. A warm-up asks for the steady
/// state: if there is one, the time ends when the request after the last would have arrived, so that
/// the emptying of the queue counts no more than its filling. Without a warm-up or a steady state,
/// it ends with the last service or, if that is later, with the last lost request.
pub(crate) struct Statistics {
    warmup: usize,
    /// Whether the statistics are those of a steady state.
    steady: bool,
    measured: usize,
    blocks: Vec<Block>,
    current: Block,
    /// The request that begins the next block.
    next_block: usize,
    last_arrival_s: f64,
    pub(crate) start_s: f64,
    end_s: f64,
    close_s: f64,
    /// Busy time of all servers between start and end.
    pub(crate) busy_s: f64,
    /// Energy of that time.
    pub(crate) batch_j: f64,
    batch_energy: Option<BatchEnergy>,
    pub(crate) max_wait_s: f64,
    pub(crate) responses: Sketch,
    counts_tails: bool,
    /// Whether the report has a histogram of the responses.
    pub(crate) histogram: bool,
    pub(crate) wait_over: Over,
    pub(crate) response_over: Over,
    pub(crate) rejected: usize,
    pub(crate) dropped: usize,
    pub(crate) abandoned: usize,
}

impl Statistics {
    /// For `requests` requests, of which the first `warmup`, fewer than all, are left out.
    pub(crate) fn new(
        requests: usize,
        warmup: usize,
        batch_energy: Option<BatchEnergy>,
        tails: &StatisticsConfig,
        stable: bool,
    ) -> Self {
        Self {
            warmup,
            steady: stable && warmup > 0,
            measured: requests.saturating_sub(warmup),
            blocks: Vec::with_capacity(BLOCKS),
            current: Block::default(),
            next_block: warmup,
            last_arrival_s: 0.0,
            start_s: f64::INFINITY,
            end_s: 0.0,
            close_s: f64::INFINITY,
            busy_s: 0.0,
            batch_j: 0.0,
            batch_energy,
            max_wait_s: 0.0,
            responses: Sketch::new(),
            counts_tails: !(tails.wait_over_s.is_empty() && tails.response_over_s.is_empty()),
            histogram: tails.histogram,
            wait_over: Over::new(&tails.wait_over_s),
            response_over: Over::new(&tails.response_over_s),
            rejected: 0,
            dropped: 0,
            abandoned: 0,
        }
    }

    /// The seconds that the statistics cover.
    pub(crate) fn duration_s(&self) -> f64 {
        let end = if self.close_s.is_finite() { self.close_s } else { self.end_s };
        end - self.start_s
    }

    /// The sums over all measured requests.
    pub(crate) fn total(&self) -> Block {
        self.blocks.iter().copied().fold(self.current, Block::add)
    }

    /// The 95 % confidence interval around `center` of the mean of `value`, a function of a block and
    /// of the seconds over which its requests arrived; `None` for fewer than two requests per block,
    /// or if a block's value is not finite.
    pub(crate) fn interval(
        &self,
        center: f64,
        value: impl Fn(&Block, f64) -> f64,
    ) -> Option<[f64; 2]> {
        if self.measured < 2 * BLOCKS {
            return None;
        }
        let blocks: Vec<_> = self.blocks.iter().chain([&self.current]).collect();
        if blocks.len() != BLOCKS {
            return None;
        }
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

    /// How much longer requests wait in the last block than in the first, per second between them;
    /// `None` for fewer than two requests per block, or if no time passes.
    pub(crate) fn growth(&self) -> Option<Growth> {
        let first = self.blocks.first().filter(|_| self.measured >= 2 * BLOCKS)?;
        let wait = |block: &Block| block.wait_s / block.requests as f64;
        let time = self.current.first_arrival_s - first.first_arrival_s;
        let wait_s_per_s = (wait(&self.current) - wait(first)) / time;
        let served = self.total().requests as f64 / self.duration_s();
        let growth = Growth { wait_s_per_s, requests_per_s: wait_s_per_s * served };
        Some(growth).filter(|growth| growth.requests_per_s.is_finite())
    }

    #[inline]
    fn joules(&self, batch: &StartedBatch) -> f64 {
        let (size, time) = (batch.items, batch.service_s());
        self.batch_energy
            .as_ref()
            .map_or(0.0, |energy| energy.joules_with_pause(size, time, batch.pause))
            + batch.asked.joules
    }

    /// Adds the part of a batch that is inside the covered time.
    fn add_busy(&mut self, batch: &StartedBatch) {
        let inside = batch.times.end_s.min(self.close_s) - batch.times.start_s.max(self.start_s);
        self.add_part(batch, inside.max(0.0));
    }

    fn add_part(&mut self, batch: &StartedBatch, seconds: f64) {
        if seconds != 0.0 {
            self.busy_s += seconds;
            self.batch_j += self.joules(batch) * seconds / batch.service_s();
        }
    }

    #[cold]
    fn begin_block(&mut self, number: usize, arrival_s: f64) {
        if self.current.requests > 0 {
            self.blocks.push(self.current);
        }
        self.current = Block { first_arrival_s: arrival_s, ..Block::default() };
        let length = self.measured / BLOCKS;
        self.next_block = if self.measured >= 2 * BLOCKS {
            let begun = (number - self.warmup) / length + 1;
            if begun < BLOCKS { self.warmup + length * begun } else { usize::MAX }
        } else {
            usize::MAX
        };
    }
}

impl Observer for Statistics {
    #[inline]
    fn arrival(&mut self, number: usize, time_s: f64, latest: impl Iterator<Item = StartedBatch>) {
        if number == self.warmup {
            self.start_s = time_s;
            // All batches so far started before, so this adds what is left of them.
            for batch in latest {
                self.add_busy(&batch);
            }
        }
    }

    fn closes(&mut self, time_s: f64, latest: impl Iterator<Item = StartedBatch>) {
        if self.steady {
            self.close_s = time_s;
            for batch in latest {
                // Its whole length was added when it started.
                let after = batch.times.end_s - time_s.max(batch.times.start_s);
                self.add_part(&batch, -after.max(0.0));
            }
        }
    }

    #[inline]
    fn batch(
        &mut self,
        _model: usize,
        batch: &StartedBatch,
        requests: impl Iterator<Item = (usize, f64)>,
    ) {
        let times = &batch.times;
        self.end_s = self.end_s.max(times.end_s);
        if times.start_s >= self.start_s && times.end_s <= self.close_s {
            self.busy_s += batch.service_s();
            self.batch_j += self.joules(batch);
        } else {
            self.add_busy(batch);
        }
        let mut new = true;
        for (number, arrival_s) in requests {
            if number < self.warmup {
                continue;
            }
            if number >= self.next_block {
                self.begin_block(number, arrival_s);
            }
            if new {
                new = false;
                self.current.batches += 1;
                self.current.batch_sizes += times.size;
                self.current.items += batch.items;
                self.current.asked += batch.asked.images as usize;
                self.current.service_s += batch.service_s();
                self.current.batch_j += self.joules(batch);
            }
            let wait = times.start_s - arrival_s;
            let response = times.end_s - arrival_s;
            self.current.requests += 1;
            self.current.waited += usize::from(wait > 0.0);
            self.current.wait_s += wait;
            self.current.wait_s2 += wait * wait;
            self.current.response_s += response;
            self.last_arrival_s = arrival_s;
            self.max_wait_s = self.max_wait_s.max(wait);
            self.responses.insert(response);
            if self.counts_tails {
                self.wait_over.count(wait);
                self.response_over.count(response);
            }
        }
    }

    fn ends(&mut self, time_s: f64) {
        self.end_s = self.end_s.max(time_s);
    }

    fn rejected(&mut self, _model: usize, number: usize) {
        self.rejected += usize::from(number >= self.warmup);
    }

    fn dropped(&mut self, _model: usize, number: usize) {
        self.dropped += usize::from(number >= self.warmup);
    }

    fn abandoned(&mut self, _model: usize, number: usize) {
        self.abandoned += usize::from(number >= self.warmup);
    }
}

/// Counts of values above thresholds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Over(pub(crate) Vec<(f64, usize)>);

impl Over {
    fn new(limits: &[f64]) -> Self {
        Self(limits.iter().map(|&limit| (limit, 0)).collect())
    }

    fn count(&mut self, value: f64) {
        for (limit, count) in &mut self.0 {
            *count += usize::from(value > *limit);
        }
    }
}
