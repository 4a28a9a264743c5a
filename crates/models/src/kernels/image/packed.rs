//! Convolutions with many output channels: pixels are packed before they are multiplied.
//!
//! Pixels that are read in place have an address each, and the addresses of a large tile do not fit into the
//! registers. Packed, the pixels of a tile have one cache line for each term.

use std::cell::RefCell;

use super::{
    ConvShape, View,
    conv::{Conv, DEPTH, Line, UNBOUNDED},
};
use crate::kernels::{
    Parts,
    pack::pack_tile,
    panel::{Ahead, MOST, PANEL, TILE, Tile, compute},
};

thread_local! {
    /// A task's packed pixels.
    static PACKED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Adjacent pixels that are computed together.
struct Pixels {
    from: *const f32,
    step: usize,
    /// Index of the first pixel in the output.
    first: usize,
    count: usize,
}

impl Conv {
    /// Computes the products of some lines with some panels, as [`Conv::panels`] does, without activations
    /// other than bounds. Pixels are packed, some terms at a time, and multiplied with all panels. There must
    /// be a single group.
    ///
    /// # Safety
    ///
    /// As for [`Conv::panels`].
    pub(super) unsafe fn packed(
        &self,
        panels: std::ops::Range<usize>,
        lines: usize,
        line: &impl Fn(usize) -> Line,
        segments: &[usize],
        residual: Option<View<'_>>,
        parts: Parts,
    ) {
        let ConvShape { input, output, kernel: [kh, kw], .. } = self.shape;
        let k = kh * kw * input;
        let mut tiles = Vec::new();
        for line in (0..lines).map(line) {
            let mut done = 0;
            for left in (1..=line.pixels.div_ceil(MOST)).rev() {
                // Divide evenly, because a narrow last tile would waste registers.
                let count = (line.pixels - done).div_ceil(left);
                // SAFETY: the caller's contract.
                let from = unsafe { line.from.add(done * line.step) };
                tiles.push(Pixels { from, step: line.step, first: line.first + done, count });
                done += count;
            }
        }
        let zeros = [0.0_f32; PANEL];
        let bounds = self.activation.bounds().unwrap_or(UNBOUNDED);
        PACKED.with_borrow_mut(|buffer| {
            let mut first = 0;
            for pieces in pieces(segments, k / segments.len()) {
                let terms: usize = pieces.iter().map(|piece| piece.len).sum();
                buffer.resize(tiles.len() * terms * TILE, 0.0);
                for (tile, mut to) in tiles.iter().zip(buffer.chunks_exact_mut(terms * TILE)) {
                    for Piece { start, len } in &pieces {
                        let (piece, rest) = to.split_at_mut(len * TILE);
                        // SAFETY: the caller's contract: the pixels' segments can be read.
                        unsafe {
                            pack_tile(tile.from.add(*start), tile.step, tile.count, *len, piece);
                        }
                        to = rest;
                    }
                }
                let last = first + terms == k;
                for panel in panels.clone() {
                    let of = |panel: usize| &self.weights[(panel * k + first) * PANEL..];
                    let next =
                        if panel + 1 < panels.end { &of(panel + 1)[..terms * PANEL] } else { &[] };
                    let channel = panel * PANEL;
                    for (index, pixels) in tiles.iter().enumerate() {
                        // SAFETY: the output has `output` floats for each pixel.
                        let to = unsafe { parts.at(pixels.first * output + channel) };
                        let kept = match residual {
                            _ if first > 0 => (to.cast_const(), output),
                            Some(view) => {
                                let from = &view.values[pixels.first * view.pitch + channel..];
                                (from.as_ptr(), view.pitch)
                            }
                            None => (std::ptr::null(), 0),
                        };
                        let tile = Tile {
                            from: buffer[index * terms * TILE..].as_ptr(),
                            step: 1,
                            packed: true,
                            segments: &[0],
                            run: terms,
                            weights: of(panel).as_ptr(),
                            bias: if first > 0 { &zeros } else { &self.bias[channel..] }.as_ptr(),
                            residual: kept.0,
                            residual_pitch: kept.1,
                            to,
                            pitch: output,
                            channels: (output - channel).min(PANEL),
                            bounds: if last { bounds } else { UNBOUNDED },
                            ahead: Ahead::of(next, index, tiles.len(), terms),
                        };
                        // SAFETY: the pixels are packed; only this task writes these channels of them.
                        unsafe { compute(&tile, pixels.count) };
                    }
                }
                first += terms;
            }
        });
    }
}

/// A part of a segment.
struct Piece {
    start: usize,
    len: usize,
}

/// Divides segments of `run` floats into groups of at most [`DEPTH`] floats.
fn pieces(segments: &[usize], run: usize) -> Vec<Vec<Piece>> {
    let mut groups: Vec<Vec<Piece>> = Vec::new();
    let mut terms = DEPTH;
    for segment in segments {
        for first in (0..run).step_by(DEPTH) {
            let len = DEPTH.min(run - first);
            if terms + len > DEPTH {
                groups.push(Vec::new());
                terms = 0;
            }
            terms += len;
            groups.last_mut().into_iter().for_each(|group| {
                group.push(Piece { start: segment + first, len });
            });
        }
    }
    groups
}
