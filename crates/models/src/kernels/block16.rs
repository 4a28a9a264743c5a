//! Conversion between rows of images and blocks of 16 images.

use rayon::prelude::*;

use super::LANES;

/// Converts images `[n][features]` to blocks `[⌈n/16⌉][features][16]`. The last block is filled with zeros.
pub(crate) fn to_blocks(rows: &[f32], features: usize, blocks: &mut Vec<f32>) {
    let count = rows.len().div_ceil(features * LANES);
    blocks.resize(count * features * LANES, 0.0);
    blocks.par_chunks_mut(features * LANES).zip(rows.par_chunks(features * LANES)).for_each(
        |(block, rows)| {
            let filled = rows.len() / features;
            if filled < LANES {
                block.fill(0.0);
            }
            turn(rows, features, filled, |at, lane, value| block[at * LANES + lane] = value);
        },
    );
}

/// Converts blocks `[⌈n/16⌉][features][16]` to rows `[n][features]`. The padding of the last block is
/// dropped.
pub(crate) fn to_rows(blocks: &[f32], images: usize, features: usize, rows: &mut Vec<f32>) {
    rows.resize(images * features, 0.0);
    rows.par_chunks_mut(features * LANES).zip(blocks.par_chunks(features * LANES)).for_each(
        |(rows, block)| {
            for first in (0..features).step_by(LANES) {
                let many = LANES.min(features - first);
                for (lane, row) in rows.chunks_exact_mut(features).enumerate() {
                    for (at, value) in row[first..first + many].iter_mut().enumerate() {
                        *value = block[(first + at) * LANES + lane];
                    }
                }
            }
        },
    );
}

/// Visits rows 16 features at a time, so that the written values stay in the cache.
fn turn(rows: &[f32], features: usize, count: usize, mut put: impl FnMut(usize, usize, f32)) {
    for first in (0..features).step_by(LANES) {
        let many = LANES.min(features - first);
        for lane in 0..count {
            let row = &rows[lane * features + first..][..many];
            row.iter().enumerate().for_each(|(at, value)| put(first + at, lane, *value));
        }
    }
}
