//! Products of bytes by the tiles of AMX (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
//! chapter "Programming with Intel Advanced Matrix Extensions").
//!
//! One instruction adds the products of 16 pixels × 64 bytes and 64 bytes × 16 channels to 16 × 16 sums. A task works
//! on 32 pixels × 32 channels at a time: four tiles of sums, two of pixels and two of weights.

#[cfg(target_arch = "x86_64")]
mod permission;
#[cfg(target_arch = "x86_64")]
mod products;
mod span;

pub(super) use self::span::Line;
#[cfg(target_arch = "x86_64")]
pub(super) use self::{
    permission::is_available,
    products::{Products, Tiles},
    span::Span,
};

/// The most rows of a tile: pixels of the image, or words of 32 bits of the weights.
pub(super) const ROWS: usize = 16;

/// How many tiles the words of a kernel row need, and how many words each of them has. Together they may have a few
/// words more than the row.
pub(super) fn parts(words: usize) -> (usize, usize) {
    let parts = words.div_ceil(ROWS).max(1);
    (parts, words.div_ceil(parts).max(1))
}

/// The words of all tiles of a kernel row.
pub(super) fn whole(words: usize) -> usize {
    let (parts, each) = parts(words);
    parts * each
}
