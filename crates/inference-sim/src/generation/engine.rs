//! From a description of a generative model to what happens to its requests.

use super::{
    config::{GenerationConfig, WORK},
    law::StepLaw,
    scheduler::{TokenLimits, TokenScheduler, TokenStep},
    source::{Incoming, Source, TokenLaws},
    statistics::{BLOCKS, Backlog, Block, Integrals, Times, Window},
    steps::StepPower,
};
use crate::error::{ConfigError, within};

/// Requests that may wait at a time, whose places need less than 500 megabytes.
const WAITING: usize = 4_000_000;
const GROWS: &str = "fewer requests: this server cannot keep up with them, and more would wait than \
                     there is memory for; or a lower load";

/// What is kept of a request while it is inside.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    pub(super) number: usize,
    pub(super) arrival_s: f64,
    pub(super) start_s: f64,
    pub(super) first_s: f64,
    pub(super) last_s: f64,
}

/// A request that was answered.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AnsweredRequest {
    /// Its number, from 0, in the order of arrival.
    pub number: usize,
    /// Tokens of its prompt.
    pub prompt: u32,
    /// Generated tokens.
    pub output: u32,
    /// When it came, in seconds.
    pub arrival_s: f64,
    /// When its first step began.
    pub start_s: f64,
    /// When its first token was there.
    pub first_token_s: f64,
    /// When its last token was there.
    pub end_s: f64,
    /// How often it was preempted.
    pub preemptions: u32,
}

/// A description whose parts are valid.
pub(super) struct Setup {
    pub(super) source: Source,
    pub(super) law: StepLaw,
    pub(super) power: Option<StepPower>,
    pub(super) limits: TokenLimits,
    /// The most tokens of a prompt and its answer.
    pub(super) longest: u32,
    pub(super) requests: usize,
    pub(super) warmup: usize,
    /// Whether requests come in the same way for every seed, or depend on answers: such a load does
    /// not outgrow the server.
    pub(super) bounded: bool,
}

impl Setup {
    pub(super) fn new(config: &GenerationConfig) -> Result<Self, ConfigError> {
        let longest = config.check()?;
        let process = config.arrivals.process()?;
        let laws = TokenLaws::new(config, &process)?;
        if let Some(found) = process.limit().filter(|&found| found < config.requests) {
            return Err(ConfigError::TraceTooShort { requests: config.requests, found });
        }
        let least = laws.least_prompt();
        let room = "a prompt and at least one token of its answer that fit into \
                    `batching.max_model_len` and into the cache (`cache.blocks` · `cache.block_size`), \
                    and without chunked prefill into `batching.max_num_batched_tokens`";
        within("tokens.prompt", least, least < longest as usize, room)?;
        if let Some(found) = laws.longest_recorded() {
            within(
                "arrivals.file",
                format!("a request of {found} tokens"),
                found <= u64::from(longest),
                room,
            )?;
        }
        let (prompt, output) = laws.means();
        let work = config.requests as f64 * (prompt + output);
        WORK.check(work).map_err(|error| error.of_key("requests"))?;
        let cache = config.cache.as_ref();
        let batching = &config.batching;
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut limits =
            TokenLimits::new(batching.max_num_seqs, narrow(batching.max_num_batched_tokens));
        limits.enable_chunked_prefill = batching.enable_chunked_prefill;
        limits.long_prefill_token_threshold =
            batching.long_prefill_token_threshold.map_or(0, narrow);
        if let Some(cache) = cache {
            limits = limits.with_cache(narrow(cache.block_size), cache.blocks as u64);
            (limits.watermark, limits.reserve_prompt) = (cache.watermark, cache.reserve_prompt);
        }
        let bounded = process.clients().is_some() || process.limit().is_some();
        Ok(Self {
            source: Source::new(config, &process, laws),
            law: config.steps.law()?,
            power: config.power.as_ref().map(super::steps::StepPowerConfig::power).transpose()?,
            limits,
            longest,
            requests: config.requests,
            warmup: config.warmup,
            bounded,
        })
    }

    /// Runs, and tells `answered` of every request that is answered.
    pub(super) fn run(
        self,
        answered: &mut impl FnMut(&AnsweredRequest),
    ) -> Result<Counts, ConfigError> {
        let scheduler = TokenScheduler::new(self.limits);
        let counts = Counts::new(self.requests - self.warmup);
        let mut run = Run { setup: self, scheduler, counts, now_s: 0.0, arrived: 0 };
        run.all(answered)?;
        Ok(run.counts)
    }
}

/// What is counted.
pub(super) struct Counts {
    pub(super) ttft: Times,
    pub(super) tpot: Times,
    pub(super) itl: Times,
    pub(super) response: Times,
    pub(super) wait: Times,
    pub(super) blocks: [Block; BLOCKS],
    pub(super) window: Window,
    pub(super) sums: Integrals,
    pub(super) backlog: Backlog,
    pub(super) prompt_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) rejected: usize,
    pub(super) truncated: usize,
    /// Requests that count, and those of them that are answered or rejected.
    counted: usize,
    settled: usize,
    /// Joules and tokens of the whole run so far.
    energy_j: f64,
    generated: f64,
    /// The same at the beginning of the block.
    block_start: (f64, f64),
}

impl Counts {
    fn new(counted: usize) -> Self {
        Self {
            ttft: Times::new(),
            tpot: Times::new(),
            itl: Times::new(),
            response: Times::new(),
            wait: Times::new(),
            blocks: [Block::default(); BLOCKS],
            window: Window { from_s: f64::INFINITY, to_s: f64::INFINITY },
            sums: Integrals::default(),
            backlog: Backlog::default(),
            prompt_tokens: 0,
            output_tokens: 0,
            rejected: 0,
            truncated: 0,
            counted,
            settled: 0,
            energy_j: 0.0,
            generated: 0.0,
            block_start: (0.0, 0.0),
        }
    }

    fn answered(&mut self, request: &AnsweredRequest) {
        let ttft_s = request.first_token_s - request.arrival_s;
        let response_s = request.end_s - request.arrival_s;
        self.ttft.insert(ttft_s);
        self.response.insert(response_s);
        self.wait.insert(request.start_s - request.arrival_s);
        self.prompt_tokens += u64::from(request.prompt);
        self.output_tokens += u64::from(request.output);
        let number = (self.settled * BLOCKS / self.counted).min(BLOCKS - 1);
        let block = &mut self.blocks[number];
        block.requests += 1;
        block.ttft_s += ttft_s;
        block.response_s += response_s;
        if request.output > 1 {
            let tpot_s = (request.end_s - request.first_token_s) / f64::from(request.output - 1);
            self.tpot.insert(tpot_s);
            block.tpot_s += tpot_s;
            block.several += 1;
        }
        self.settled += 1;
        if (self.settled * BLOCKS / self.counted).min(BLOCKS - 1) != number
            || self.settled == self.counted
        {
            block.energy_j = self.energy_j - self.block_start.0;
            block.tokens = self.generated - self.block_start.1;
            self.block_start = (self.energy_j, self.generated);
        }
    }
}

struct Run {
    setup: Setup,
    scheduler: TokenScheduler<Track>,
    counts: Counts,
    now_s: f64,
    /// Requests that have come.
    arrived: usize,
}

impl Run {
    fn all(&mut self, answered: &mut impl FnMut(&AnsweredRequest)) -> Result<(), ConfigError> {
        loop {
            self.arrivals(self.now_s)?;
            if self.counts.settled >= self.counts.counted {
                break;
            }
            if self.scheduler.is_idle() {
                let Some(next_s) = self.setup.source.next_s() else { break };
                let watts = self.setup.power.as_ref().map_or(0.0, |power| power.idle_w);
                // The request that ends the pause may also open or close the window.
                let from_s = self.now_s;
                self.arrivals(next_s)?;
                self.passes(from_s, next_s, watts * (next_s - from_s), None, 0);
                self.now_s = next_s;
                continue;
            }
            self.step(answered)?;
        }
        if self.setup.warmup == 0 || self.counts.window.to_s > self.now_s {
            self.counts.window.to_s = self.now_s;
        }
        Ok(())
    }

    /// Takes all requests that have come until then.
    fn arrivals(&mut self, until_s: f64) -> Result<(), ConfigError> {
        while let Some(incoming) = self.setup.source.take(until_s) {
            self.arrives(incoming);
            if self.scheduler.waiting().len() > WAITING {
                within("requests", self.setup.requests, false, GROWS)?;
            }
        }
        Ok(())
    }

    fn arrives(&mut self, incoming: Incoming) {
        let Incoming { number, time_s, mut request } = incoming;
        let window = &mut self.counts.window;
        if number == self.setup.warmup {
            window.from_s = if number == 0 { 0.0 } else { time_s };
        }
        if number == self.setup.requests && self.setup.warmup > 0 {
            window.to_s = time_s;
        }
        self.arrived = number + 1;
        let counts = (self.setup.warmup..self.setup.requests).contains(&number);
        let longest = self.setup.longest;
        let room = longest.saturating_sub(request.prompt);
        let truncated = room > 0 && request.output > room;
        if truncated {
            request.output = room;
            self.counts.truncated += usize::from(counts);
        }
        let track = Track {
            number,
            arrival_s: time_s,
            start_s: f64::NAN,
            first_s: f64::NAN,
            last_s: f64::NAN,
        };
        if room == 0 || !self.scheduler.add(request, track) {
            self.counts.rejected += usize::from(counts);
            self.counts.settled += usize::from(counts);
            self.setup.source.answered(time_s);
        }
    }

    fn step(&mut self, answered: &mut impl FnMut(&AnsweredRequest)) -> Result<(), ConfigError> {
        let from_s = self.now_s;
        let step = self.scheduler.schedule();
        // Those that were never scheduled before are the last that were admitted.
        for sequence in self.scheduler.running_mut().iter_mut().rev() {
            if !sequence.owned.start_s.is_nan() {
                break;
            }
            sequence.owned.start_s = from_s;
        }
        let waiting = self.scheduler.waiting().len();
        let seconds = self.setup.law.of(&step);
        let to_s = from_s + seconds;
        let energy_j = self.setup.power.as_ref().map_or(0.0, |power| power.joules(&step, seconds));
        // Before the time of the step is counted, as the window may open or close in it.
        self.arrivals(to_s)?;
        self.passes(from_s, to_s, energy_j, Some(&step), waiting);
        self.now_s = to_s;
        let Self { setup, scheduler, counts, .. } = self;
        let counted = setup.warmup..setup.requests;
        let mut even = 0;
        let mut generated = 0_u64;
        let mut ended = 0_u64;
        let Counts { itl, .. } = &mut *counts;
        let mut finished = Vec::new();
        scheduler.complete(
            |sequence| {
                generated += 1;
                let first = sequence.generated == 1;
                let track = &mut sequence.owned;
                if first {
                    track.first_s = to_s;
                } else if counted.contains(&track.number) {
                    if track.last_s == from_s {
                        even += 1;
                    } else {
                        itl.insert(to_s - track.last_s);
                    }
                }
                track.last_s = to_s;
            },
            |sequence| {
                ended += 1;
                let track = sequence.owned;
                finished.push(AnsweredRequest {
                    number: track.number,
                    prompt: sequence.request.prompt,
                    output: sequence.generated,
                    arrival_s: track.arrival_s,
                    start_s: track.start_s,
                    first_token_s: track.first_s,
                    end_s: to_s,
                    preemptions: sequence.preemptions,
                });
            },
        );
        itl.insert_many(seconds, even);
        counts.generated += generated as f64;
        if counts.window.has(to_s) || setup.warmup == 0 {
            counts.sums.generated += generated;
            counts.sums.answered += ended;
        }
        for request in &finished {
            if counted.contains(&request.number) {
                counts.answered(request);
            }
            setup.source.answered(to_s);
            answered(request);
        }
        Ok(())
    }

    /// Counts the time from `from_s` to `to_s`, in which a step runs or none does.
    fn passes(
        &mut self,
        from_s: f64,
        to_s: f64,
        energy_j: f64,
        step: Option<&TokenStep>,
        waiting: usize,
    ) {
        let Self { setup, scheduler, counts, arrived, .. } = self;
        counts.energy_j += energy_j;
        let duration_s = to_s - from_s;
        let share = *arrived as f64 / setup.requests as f64;
        counts.backlog.add(share, waiting, duration_s);
        let inside_s = counts.window.overlap(from_s, to_s);
        let part = if duration_s > 0.0 {
            inside_s / duration_s
        } else {
            f64::from(u8::from(counts.window.has(to_s)))
        };
        if part <= 0.0 {
            return;
        }
        let sums = &mut counts.sums;
        sums.time_s += inside_s;
        sums.energy_j += energy_j * part;
        if let Some(step) = step {
            let used = scheduler.used_blocks();
            sums.busy_s += inside_s;
            sums.running_s += scheduler.running().len() as f64 * inside_s;
            sums.used_s += used as f64 * inside_s;
            sums.most_used = sums.most_used.max(used);
            sums.steps += part;
            sums.step_tokens += step.tokens as f64 * part;
            sums.preemptions += step.preempted;
            sums.lost_tokens += step.lost;
        }
    }
}
