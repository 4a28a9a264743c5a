//! The blocks of the cache of keys and values.

/// A paged cache: blocks of the same number of tokens, of which each sequence holds as many as its
/// tokens need (Kwon et al. 2023, Efficient Memory Management for Large Language Model Serving with
/// PagedAttention, SOSP).
#[derive(Clone, Debug)]
pub(super) struct PagedCache {
    block_size: u32,
    blocks: u64,
    free: u64,
}

impl PagedCache {
    pub(super) fn new(block_size: u32, blocks: u64) -> Self {
        Self { block_size: block_size.max(1), blocks, free: blocks }
    }

    /// Blocks for this many tokens.
    #[inline]
    pub(super) fn blocks_for(&self, tokens: u32) -> u32 {
        tokens.div_ceil(self.block_size)
    }

    /// Whether a sequence of this many tokens fits into the empty cache.
    pub(super) fn holds(&self, tokens: u32) -> bool {
        u64::from(self.blocks_for(tokens)) <= self.blocks
    }

    pub(super) fn used(&self) -> u64 {
        self.blocks - self.free
    }

    /// Gives a sequence that holds `held` blocks what it lacks for `tokens` tokens; `None`, and nothing
    /// given, if fewer than `spare` blocks would be left.
    #[inline]
    pub(super) fn grow(&mut self, held: u32, tokens: u32, spare: u64) -> Option<u32> {
        let needed = self.blocks_for(tokens).max(held);
        let more = u64::from(needed - held);
        if more > 0 && more.saturating_add(spare) > self.free {
            return None;
        }
        self.free -= more;
        Some(needed)
    }

    /// Takes blocks back.
    pub(super) fn release(&mut self, blocks: u32) {
        self.free += u64::from(blocks);
    }
}
