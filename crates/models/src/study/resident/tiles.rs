//! How work is cut into blocks of a device.

use super::MANY;
use crate::kernels::Dims;

/// Columns of a convolution's tile: as few outputs left over as possible, then as wide as possible.
pub(super) fn columns(outputs: usize) -> usize {
    if outputs <= 4 {
        return 4;
    }
    let padded = |it: &usize| outputs.div_ceil(*it) * it;
    [64, 32, 16].into_iter().min_by_key(padded).unwrap_or(64)
}

/// How the weights' gradient is split: its kernel, inputs and outputs of a tile, pixels of a slab.
pub(super) fn weights_tile(inputs: usize, outputs: usize) -> (&'static str, usize, usize, usize) {
    match (inputs, outputs) {
        (..=32, ..=4) => ("conv_weights_4", 16, 4, 256),
        (_, ..=16) => ("conv_weights_16", 32, 16, 128),
        _ => ("conv_weights_64", 64, 64, 32),
    }
}

/// Parts that the weights' gradient is split into where there are pixels enough.
pub(super) fn most_parts(dims: Dims) -> usize {
    let (_, k, o, _) = weights_tile(9 * dims.cin, dims.cout);
    (MANY / ((9 * dims.cin).div_ceil(k) * dims.cout.div_ceil(o))).max(1)
}

/// Parts of the pixels, and pixels of each, for the weights' gradient.
pub(super) fn parts(dims: Dims, pixels: usize) -> (usize, usize) {
    let (.., slab) = weights_tile(9 * dims.cin, dims.cout);
    let parts = most_parts(dims).min(pixels.div_ceil(slab));
    let each = pixels.div_ceil(parts).next_multiple_of(slab);
    (pixels.div_ceil(each), each)
}

/// Parts of a channel's pooled pixels.
pub(super) fn pooled_parts(channels: usize, pixels: usize) -> usize {
    (MANY / channels).clamp(1, pixels.div_ceil(1024))
}

pub(super) fn pooled(dims: Dims) -> usize {
    dims.cout * (dims.h / 2) * (dims.w / 2)
}
