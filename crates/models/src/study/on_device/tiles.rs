//! How the work of a step is divided into thread blocks.

use crate::kernels::Dims;

/// Thread blocks that fill a large GPU several times. Sums are split into about this many parts.
const TARGET_BLOCKS: usize = 528;

/// Outputs in a convolution's tile: the width that pads the outputs least; among equals, the widest.
pub(super) fn columns(outputs: usize) -> usize {
    if outputs <= 4 {
        return 4;
    }
    let padded = |width: &usize| outputs.div_ceil(*width) * width;
    [64, 32, 16].into_iter().min_by_key(padded).unwrap_or(64)
}

/// The kernel of the weights' gradient, with the inputs and outputs of its tile and the pixels of its slab.
pub(super) fn weights_tile(inputs: usize, outputs: usize) -> (&'static str, usize, usize, usize) {
    match (inputs, outputs) {
        (..=32, ..=4) => ("conv_weights_4", 16, 4, 256),
        (_, ..=16) => ("conv_weights_16", 32, 16, 128),
        _ => ("conv_weights_64", 64, 64, 32),
    }
}

/// Number of parts that the weights' gradient is split into if there are enough pixels.
pub(super) fn most_parts(dims: Dims) -> usize {
    let (_, k, o, _) = weights_tile(9 * dims.cin, dims.cout);
    (TARGET_BLOCKS / ((9 * dims.cin).div_ceil(k) * dims.cout.div_ceil(o))).max(1)
}

/// Number of parts and pixels of each part, for the weights' gradient.
pub(super) fn parts(dims: Dims, pixels: usize) -> (usize, usize) {
    let (.., slab) = weights_tile(9 * dims.cin, dims.cout);
    let parts = most_parts(dims).min(pixels.div_ceil(slab));
    let each = pixels.div_ceil(parts).next_multiple_of(slab);
    (pixels.div_ceil(each), each)
}

/// Number of parts that a channel's pooled pixels are split into.
pub(super) fn pooled_parts(channels: usize, pixels: usize) -> usize {
    (TARGET_BLOCKS / channels).clamp(1, pixels.div_ceil(1024))
}

/// Outputs of the pooling for one image.
pub(super) fn pooled(dims: Dims) -> usize {
    dims.cout * (dims.h / 2) * (dims.w / 2)
}
