//! Convolutions of many channels: pixels are packed before they pass by the panels.
//!
//! Where pixels are read as they lie, each has an address of its own, and a tile of many does not fit
//! the registers. Packed, the terms of a tile lie in one line of the cache each.

use std::cell::RefCell;

use super::{
    ConvShape, View,
    conv::{Conv, Line, UNBOUNDED},
};
use crate::kernels::{
    Parts,
    pack::pack_tile,
    panel::{Ahead, MOST, PANEL, TILE, Tile, compute},
};

/// Panels that make packing pixels worth it.
pub(super) const WORTH: usize = 6;
/// Terms of a sum whose pixels are packed at a time.
pub(super) const DEPTH: usize = 768;

thread_local! {
    /// A task's packed pixels.
    static PACKED: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Neighboring pixels that are computed together.
struct Pixels {
    from: *const f32,
    step: usize,
    /// Index in the output.
    first: usize,
    count: usize,
}

impl Conv {
    /// As `panels`, before activations without bounds: pixels are packed, some terms at a time,
    /// and pass by all panels. Without groups.
    ///
    /// # Safety
    ///
    /// As there.
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
                // Of even widths: a narrow last tile would waste registers.
                let count = (line.pixels - done).div_ceil(left);
                // SAFETY: the caller's.
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
                let terms: usize = pieces.iter().map(|it| it.len).sum();
                buffer.resize(tiles.len() * terms * TILE, 0.0);
                for (tile, mut to) in tiles.iter().zip(buffer.chunks_exact_mut(terms * TILE)) {
                    for Piece { start, len } in &pieces {
                        let (piece, rest) = to.split_at_mut(len * TILE);
                        // SAFETY: the caller's: the pixels' runs can be read.
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
                        // SAFETY: `out` has `output` floats for each pixel.
                        let to = unsafe { parts.at(pixels.first * output + channel) };
                        let kept = match residual {
                            _ if first > 0 => (to.cast_const(), output),
                            Some(it) => {
                                let from = &it.values[pixels.first * it.pitch + channel..];
                                (from.as_ptr(), it.pitch)
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
                        // SAFETY: the pixels are packed; these channels of theirs are this task's.
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

/// Segments of so many floats, in groups of at most [`DEPTH`].
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
