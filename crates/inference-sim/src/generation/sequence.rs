//! A request inside the scheduler.

/// A request of a generative model: tokens to read, and tokens to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenRequest {
    /// Tokens of the prompt, at least 1.
    pub prompt: u32,
    /// Tokens to generate, at least 1.
    pub output: u32,
}

impl TokenRequest {
    /// A request with a prompt of `prompt` tokens that ends after `output` generated tokens.
    #[must_use]
    pub fn new(prompt: u32, output: u32) -> Self {
        Self { prompt, output }
    }
}

/// A request that waits or runs, with what its owner keeps beside it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct TokenSequence<T> {
    /// What it is.
    pub request: TokenRequest,
    /// Tokens generated so far.
    pub generated: u32,
    /// Tokens whose keys and values are in the cache, those of the step that runs included.
    pub computed: u32,
    /// Tokens that are computed in the step that runs; 0 if it has no part in it.
    pub scheduled: u32,
    /// How often it was preempted.
    pub preemptions: u32,
    /// Blocks of the cache that it holds.
    pub(super) blocks: u32,
    /// What its owner keeps beside it.
    pub owned: T,
}

impl<T> TokenSequence<T> {
    pub(super) fn new(request: TokenRequest, owned: T) -> Self {
        Self { request, generated: 0, computed: 0, scheduled: 0, preemptions: 0, blocks: 0, owned }
    }

    /// Tokens so far: the prompt and what was generated.
    #[inline]
    pub(super) fn tokens(&self) -> u32 {
        self.request.prompt.saturating_add(self.generated)
    }

    /// Whether all its tokens are generated.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.generated >= self.request.output
    }
}
