//! Which sequence computes how many tokens in a step: continuous batching by vLLM's rules.

use std::collections::VecDeque;

use super::{
    cache::PagedCache,
    sequence::{TokenRequest, TokenSequence},
};

/// The limits of a scheduler, named as in vLLM.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct TokenLimits {
    /// The most sequences that run at a time.
    pub max_num_seqs: usize,
    /// The most tokens that a step computes.
    pub max_num_batched_tokens: u32,
    /// Whether a prompt may be computed in several steps. If not, a prompt that is longer than what is
    /// left of a step waits, and those behind it.
    pub enable_chunked_prefill: bool,
    /// The most tokens of one sequence in a step; 0 for no such limit.
    pub long_prefill_token_threshold: u32,
    /// Tokens of a block of the cache.
    pub block_size: u32,
    /// Blocks of the cache. vLLM keeps one of its `num_gpu_blocks` for itself.
    pub blocks: u64,
    /// Share of the blocks that must stay free when a sequence is admitted while others run.
    pub watermark: f64,
    /// Whether a sequence is admitted only if all its tokens fit, not just those of its first step
    /// (vLLM's `scheduler_reserve_full_isl`).
    pub reserve_prompt: bool,
}

impl TokenLimits {
    /// At most `max_num_seqs` sequences and `max_num_batched_tokens` tokens in a step, with chunked
    /// prefill and a cache without limit.
    #[must_use]
    pub fn new(max_num_seqs: usize, max_num_batched_tokens: u32) -> Self {
        Self {
            max_num_seqs,
            max_num_batched_tokens,
            enable_chunked_prefill: true,
            long_prefill_token_threshold: 0,
            block_size: 16,
            blocks: u64::from(u32::MAX) << 20,
            watermark: 0.0,
            reserve_prompt: false,
        }
    }

    /// The same with a cache of this many blocks of `block_size` tokens.
    #[must_use]
    pub fn with_cache(self, block_size: u32, blocks: u64) -> Self {
        Self { block_size, blocks, ..self }
    }
}

/// What a step computes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TokenStep {
    /// Tokens that are computed.
    pub tokens: u64,
    /// Sequences that take part.
    pub sequences: u64,
    /// Tokens of these sequences that are in the cache after the step.
    pub context: u64,
    /// Pairs of a computed token and a token that it attends to, itself included.
    pub pairs: f64,
    /// Sequences that were preempted to make room.
    pub preempted: u64,
    /// Tokens that these had computed, and must compute again.
    pub lost: u64,
}

/// Continuous batching with a paged cache, by the rules of vLLM's scheduler (version 1, first come
/// first served), without prefix caching, speculative decoding and pipelines.
///
/// A step first continues the sequences that run, in the order in which they were admitted: each
/// computes what it has not yet computed, within the token budget of the step. If the cache has no
/// block left for one, the sequence that was admitted last is preempted: its blocks are freed, all its
/// tokens are computed again later, and it waits before all others. If none was preempted, the budget
/// that is left goes to those that wait, in order, until one does not fit. A sequence whose tokens
/// are all computed generates one.
///
/// ```
/// use wattlab_inference_sim::{TokenLimits, TokenRequest, TokenScheduler};
///
/// let mut scheduler = TokenScheduler::new(TokenLimits::new(8, 100));
/// for (name, prompt) in [("a", 80), ("b", 50)] {
///     assert!(scheduler.add(TokenRequest::new(prompt, 2), name));
/// }
/// let mut steps = Vec::new();
/// while !scheduler.is_idle() {
///     scheduler.schedule();
///     steps.push(scheduler.scheduled().map(|part| (part.owned, part.scheduled)).collect::<Vec<_>>());
///     scheduler.complete(|_| {}, |_| {});
/// }
/// assert_eq!(steps, [vec![("a", 80), ("b", 20)], vec![("a", 1), ("b", 30)], vec![("b", 1)]]);
/// ```
#[derive(Clone, Debug)]
pub struct TokenScheduler<T> {
    limits: TokenLimits,
    spare: u64,
    cache: PagedCache,
    running: Vec<TokenSequence<T>>,
    waiting: VecDeque<TokenSequence<T>>,
}

impl<T: Copy> TokenScheduler<T> {
    /// Nothing waits, nothing runs.
    #[must_use]
    pub fn new(limits: TokenLimits) -> Self {
        Self {
            limits,
            spare: (limits.watermark * limits.blocks as f64) as u64,
            cache: PagedCache::new(limits.block_size, limits.blocks),
            running: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Adds a request behind those that wait. Returns false, and does not add it, if it could never be
    /// served: if it has no prompt, needs more tokens than the cache has, or without chunked prefill
    /// more than a step.
    pub fn add(&mut self, request: TokenRequest, owned: T) -> bool {
        // The last token is generated, but never computed.
        let most = request.prompt.saturating_add(request.output.saturating_sub(1));
        let in_step =
            self.limits.enable_chunked_prefill || most <= self.limits.max_num_batched_tokens;
        let progresses = self.limits.max_num_seqs > 0 && self.limits.max_num_batched_tokens > 0;
        let fits = request.prompt > 0 && self.cache.holds(most) && in_step && progresses;
        if fits {
            self.waiting.push_back(TokenSequence::new(request, owned));
        }
        fits
    }

    /// Whether nothing waits and nothing runs.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Sequences that run, in the order of their admission.
    #[must_use]
    pub fn running(&self) -> &[TokenSequence<T>] {
        &self.running
    }

    pub(super) fn running_mut(&mut self) -> &mut [TokenSequence<T>] {
        &mut self.running
    }

    /// Sequences that take part in the step.
    pub fn scheduled(&self) -> impl Iterator<Item = &TokenSequence<T>> {
        self.running.iter().filter(|sequence| sequence.scheduled > 0)
    }

    /// Sequences that wait, in the order in which they will be admitted.
    pub fn waiting(&self) -> impl ExactSizeIterator<Item = &TokenSequence<T>> {
        self.waiting.iter()
    }

    /// Blocks of the cache in use.
    #[must_use]
    pub fn used_blocks(&self) -> u64 {
        self.cache.used()
    }

    /// Decides what the next step computes. [`TokenScheduler::complete`] must follow.
    pub fn schedule(&mut self) -> TokenStep {
        let mut step = TokenStep::default();
        let mut budget = self.limits.max_num_batched_tokens;
        let mut next = 0;
        while next < self.running.len() {
            let sequence = &self.running[next];
            let tokens = self.share(sequence.tokens() - sequence.computed, budget);
            if budget == 0 {
                self.running[next].scheduled = 0;
                next += 1;
                continue;
            }
            let (held, needed) = (sequence.blocks, sequence.computed + tokens);
            let Some(blocks) = self.grow(next, held, needed, &mut step) else { break };
            budget -= tokens;
            self.running[next].take(tokens, blocks, &mut step);
            next += 1;
        }
        if step.preempted == 0 {
            self.admit(budget, &mut step);
        }
        step
    }

    /// The tokens of a sequence in a step, of `missing` ones.
    #[inline]
    fn share(&self, missing: u32, budget: u32) -> u32 {
        let threshold = self.limits.long_prefill_token_threshold;
        let missing = if threshold > 0 { missing.min(threshold) } else { missing };
        missing.min(budget)
    }

    /// Gives the running sequence at `place`, which holds `held` blocks, enough blocks for `needed` tokens.
    /// While no block is free, the sequence that was admitted last is preempted. `None` if that was the
    /// sequence at `place` itself.
    #[inline]
    fn grow(&mut self, place: usize, held: u32, needed: u32, step: &mut TokenStep) -> Option<u32> {
        loop {
            if let Some(blocks) = self.cache.grow(held, needed, 0) {
                return Some(blocks);
            }
            let mut last = self.running.pop()?;
            self.cache.release(last.blocks);
            step.preempted += 1;
            step.lost += u64::from(last.computed);
            (last.blocks, last.computed, last.scheduled) = (0, 0, 0);
            last.preemptions += 1;
            self.waiting.push_front(last);
            if self.running.len() == place {
                return None;
            }
        }
    }

    /// Gives the budget that is left to those that wait.
    fn admit(&mut self, mut budget: u32, step: &mut TokenStep) {
        while budget > 0 && self.running.len() < self.limits.max_num_seqs {
            let Some(first) = self.waiting.front() else { break };
            let all = first.tokens();
            let missing = self.share(all, u32::MAX);
            if !self.limits.enable_chunked_prefill && missing > budget {
                break;
            }
            let tokens = missing.min(budget);
            let spare = if self.running.is_empty() { 0 } else { self.spare };
            if self.limits.reserve_prompt
                && self.cache.grow(0, all, spare).map(|blocks| self.cache.release(blocks)).is_none()
            {
                break;
            }
            let Some(blocks) = self.cache.grow(0, tokens, spare) else { break };
            let Some(mut sequence) = self.waiting.pop_front() else { break };
            budget -= tokens;
            sequence.take(tokens, blocks, step);
            self.running.push(sequence);
        }
    }

    /// Ends the step. Each sequence whose tokens are all computed generates one more, and `generated` is
    /// called with it. A sequence that has all its tokens then leaves, and `done` is called with it.
    pub fn complete(
        &mut self,
        mut generated: impl FnMut(&mut TokenSequence<T>),
        mut done: impl FnMut(&TokenSequence<T>),
    ) {
        let cache = &mut self.cache;
        self.running.retain_mut(|sequence| {
            if sequence.scheduled == 0 || sequence.computed < sequence.tokens() {
                return true;
            }
            sequence.generated += 1;
            generated(sequence);
            let stays = !sequence.is_done();
            if !stays {
                cache.release(sequence.blocks);
                done(sequence);
            }
            stays
        });
    }
}

impl<T> TokenSequence<T> {
    /// Takes part in a step.
    #[inline]
    fn take(&mut self, tokens: u32, blocks: u32, step: &mut TokenStep) {
        let pairs =
            f64::from(tokens) * (f64::from(self.computed) + 0.5 * (f64::from(tokens) + 1.0));
        self.scheduled = tokens;
        self.computed += tokens;
        self.blocks = blocks;
        step.tokens += u64::from(tokens);
        step.sequences += 1;
        step.context += u64::from(self.computed);
        step.pairs += pairs;
    }
}
