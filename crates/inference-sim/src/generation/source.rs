//! The requests of a generative model: when they come, and how many tokens they have.

use std::{cmp::Reverse, collections::BinaryHeap};

use rand_chacha::ChaCha8Rng;

use super::{config::GenerationConfig, sequence::TokenRequest};
use crate::{
    arrival::{ArrivalProcess, ArrivalTimes, Clients, exponential},
    count_law::CountLaw,
    error::ConfigError,
    random::{Stream, generator},
    requests::TraceRequests,
    service::Time,
};

/// A request as it comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Incoming {
    pub(super) number: usize,
    pub(super) time_s: f64,
    pub(super) request: TokenRequest,
}

/// The laws of the tokens of requests.
#[derive(Clone, Debug)]
pub(super) struct TokenLaws {
    prompt: Option<CountLaw>,
    output: Option<CountLaw>,
    trace: Option<TraceRequests>,
}

impl TokenLaws {
    pub(super) fn new(
        config: &GenerationConfig,
        process: &ArrivalProcess,
    ) -> Result<Self, ConfigError> {
        let trace = process.trace_requests().cloned();
        for (key, given) in [
            ("arrivals.size", config.arrivals.size.is_some()),
            ("arrivals.level", config.arrivals.level.is_some()),
        ] {
            if given {
                let kind = "a generative model".to_owned();
                return Err(ConfigError::Unused { key, kind });
            }
        }
        let others = |trace: &TraceRequests| {
            trace.sizes.is_some() || trace.levels.is_some() || trace.limits_s.is_some()
        };
        if trace.as_ref().is_some_and(others) {
            return Err(ConfigError::Invalid {
                key: "arrivals.file",
                found: "a trace with sizes, priorities or timeouts".to_owned(),
                expected: "a trace whose columns are arrivals, `prompt_tokens` and `output_tokens`",
            });
        }
        let law = |key, config: &Option<crate::config::CountConfig>, column: bool| match config {
            Some(config) => config.law(key).map(Some),
            None if column => Ok(None),
            None => Err(ConfigError::Missing {
                key,
                needed_by: "a generative model".to_owned(),
                expected: "a number of tokens, such as `{ mean = 300.0 }`, or a trace with a column of \
                           tokens",
            }),
        };
        let has = |column: fn(&TraceRequests) -> bool| trace.as_ref().is_some_and(column);
        let prompt =
            law("tokens.prompt", &config.tokens.prompt, has(|trace| trace.prompts.is_some()))?;
        let output =
            law("tokens.output", &config.tokens.output, has(|trace| trace.outputs.is_some()))?;
        Ok(Self { prompt, output, trace })
    }

    fn column(column: &Option<std::sync::Arc<[u32]>>) -> impl Iterator<Item = u32> + '_ {
        column.iter().flat_map(|column| column.iter().copied())
    }

    /// The fewest tokens of a prompt.
    pub(super) fn least_prompt(&self) -> usize {
        let recorded = || {
            let prompts = self.trace.as_ref().and_then(|trace| Self::column(&trace.prompts).min());
            prompts.map_or(1, |least| least as usize)
        };
        self.prompt.as_ref().map_or_else(recorded, CountLaw::least)
    }

    /// The most tokens of a request of whatever is not random; 0 for laws.
    pub(super) fn longest_recorded(&self) -> Option<u64> {
        let trace = self.trace.as_ref()?;
        if self.prompt.is_some() || self.output.is_some() {
            return None;
        }
        Self::column(&trace.prompts)
            .zip(Self::column(&trace.outputs))
            .map(|(prompt, output)| u64::from(prompt) + u64::from(output))
            .max()
    }

    /// Tokens of a prompt and of an answer, on average.
    pub(super) fn means(&self) -> (f64, f64) {
        let mean =
            |law: &Option<CountLaw>,
             column: fn(&TraceRequests) -> &Option<std::sync::Arc<[u32]>>| {
                let recorded = || {
                    let column = self.trace.as_ref().map(column);
                    let count = column.map_or(0, |column| Self::column(column).count()).max(1);
                    let sum: f64 =
                        column.map_or(0.0, |column| Self::column(column).map(f64::from).sum());
                    sum / count as f64
                };
                law.as_ref().map_or_else(recorded, CountLaw::mean)
            };
        (mean(&self.prompt, |trace| &trace.prompts), mean(&self.output, |trace| &trace.outputs))
    }

    fn request(&self, number: usize, random: &mut ChaCha8Rng) -> TokenRequest {
        let tokens = |law: &Option<CountLaw>,
                      column: fn(&TraceRequests) -> &Option<std::sync::Arc<[u32]>>,
                      random: &mut ChaCha8Rng| match law {
            Some(law) => u32::try_from(law.sample(random)).unwrap_or(u32::MAX),
            None => {
                let column = self.trace.as_ref().map(column);
                column.and_then(|column| column.as_ref()?.get(number).copied()).unwrap_or(1)
            }
        };
        let prompt = tokens(&self.prompt, |trace| &trace.prompts, random);
        TokenRequest::new(prompt, tokens(&self.output, |trace| &trace.outputs, random))
    }
}

/// The requests, one after another.
pub(super) struct Source {
    times: ArrivalTimes,
    laws: TokenLaws,
    clients: Option<Clients>,
    /// When clients that think send their next requests.
    thinking: BinaryHeap<Reverse<Time>>,
    marks: ChaCha8Rng,
    thoughts: ChaCha8Rng,
    next: Option<f64>,
    number: usize,
    /// Requests after which none come; none for no end.
    last: Option<usize>,
}

impl Source {
    pub(super) fn new(
        config: &GenerationConfig,
        process: &ArrivalProcess,
        laws: TokenLaws,
    ) -> Self {
        let clients = process.clients();
        let mut source = Self {
            times: process.times_of(config.seed, 0),
            laws,
            clients,
            thinking: BinaryHeap::new(),
            marks: generator(config.seed, Stream::Marks, 0),
            thoughts: generator(config.seed, Stream::Clients, 0),
            next: None,
            number: 0,
            last: (config.warmup == 0).then_some(config.requests),
        };
        for _ in 0..clients.map_or(0, |clients| clients.count) {
            source.answered(0.0);
        }
        if clients.is_none() {
            source.fetch();
        }
        source
    }

    fn fetch(&mut self) {
        let ended = self.last.is_some_and(|last| self.number >= last);
        self.next = match self.clients {
            _ if ended => None,
            None => self.times.next(),
            Some(_) => self.thinking.pop().map(|Reverse(time)| time.0),
        };
    }

    /// When the next request comes.
    #[inline]
    pub(super) fn next_s(&self) -> Option<f64> {
        self.next
    }

    /// The next request, if it has come.
    #[inline]
    pub(super) fn take(&mut self, now_s: f64) -> Option<Incoming> {
        let time_s = self.next.filter(|&time_s| time_s <= now_s)?;
        let request = self.laws.request(self.number, &mut self.marks);
        let incoming = Incoming { number: self.number, time_s, request };
        self.number += 1;
        self.fetch();
        Some(incoming)
    }

    /// A client got an answer, and thinks before its next request.
    pub(super) fn answered(&mut self, now_s: f64) {
        let Some(clients) = self.clients else { return };
        let mut time_s = now_s;
        if clients.think_s > 0.0 {
            time_s += clients.think_s * exponential(&mut self.thoughts);
        }
        self.thinking.push(Reverse(Time(time_s)));
        if self.next.is_some_and(|next| next > time_s)
            && let Some(next) = self.next.take()
        {
            self.thinking.push(Reverse(Time(next)));
        }
        if self.next.is_none() {
            self.fetch();
        }
    }
}
