//! Convolutions by the tiles of AMX.

use std::{mem::MaybeUninit, ops::Range};

use super::{Buffer, ByteConv, Lines};
use crate::kernels::bytes::{
    amx::{Products, ROWS, Span, Tiles, parts},
    images::ByteImages,
    tile::finish,
    words::LANES,
};

/// Tiles of pixels and panels at a time.
const TOGETHER: usize = 2;

impl ByteConv {
    /// Computes the products of some lines of pixels with some panels.
    ///
    /// # Safety
    ///
    /// As for [`ByteConv::panels`]; the set is [`super::ByteSet::Amx`].
    pub(super) unsafe fn tiles(
        &self,
        panels: Range<usize>,
        lines: &Lines,
        residual: Option<&ByteImages>,
        to: Buffer,
    ) {
        let spans = Span::of(&lines.lines, lines.step, lines.rows);
        let positions = spans.first().map_or(0, |span| span.positions);
        if positions == 0 {
            return;
        }
        let (parts, words) = parts(self.words);
        let rows = positions.min(ROWS);
        // SAFETY: the set is available. A task has no other tiles.
        let _tiles = unsafe { Tiles::new(rows, words) };
        let size = lines.segments.len() * self.words * LANES;
        let row = lines.segments.get(1).map_or(0, |second| second - lines.segments[0]);
        let mut sums = MaybeUninit::<[i32; TOGETHER * ROWS * TOGETHER * LANES]>::uninit();
        let sums = sums.as_mut_ptr().cast::<i32>();
        for panel in panels.clone().step_by(TOGETHER) {
            let together = (panels.end - panel).min(TOGETHER);
            let weights = self.weights[panel * size..].as_ptr();
            // SAFETY: there are this many panels.
            let second = unsafe { weights.add((together - 1) * size) };
            for span in &spans {
                let count = span.positions.div_ceil(ROWS);
                for tile in (0..count).step_by(TOGETHER) {
                    // The last tile begins earlier, so that it is full, too; it computes some sums again.
                    let starts = [tile, tile + 1].map(|tile| (tile * ROWS).min(positions - rows));
                    let tiles = (count - tile).min(TOGETHER);
                    let products = Products {
                        parts,
                        next: 4 * words,
                        next_weights: 4 * words * LANES,
                        gap: row.cast_signed() - (parts * 4 * words).cast_signed(),
                        segments: lines.segments.len(),
                        step: lines.step,
                        // SAFETY: the positions are inside the span.
                        pixels: starts.map(|start| unsafe { span.from.add(start * lines.step) }),
                        weights: [weights, second],
                    };
                    // SAFETY: the windows and the weights can be read: images and buffers have the words of each
                    // pixel's last row after them. There is room for the sums of all tiles.
                    unsafe { products.store(tiles, together, sums) };
                    for (at, start) in starts.into_iter().enumerate().take(tiles) {
                        let new = (tile + at) * ROWS..((tile + at + 1) * ROWS).min(positions);
                        for (position, line) in &span.lines {
                            let from = new.start.max(*position);
                            let until = new.end.min(position + line.pixels);
                            if from >= until {
                                continue;
                            }
                            // SAFETY: the line's pixels are those of the output that nothing else writes.
                            unsafe {
                                let pixel = line.first + from - position;
                                let output = self.output(pixel, panel, together, residual, to);
                                let sums = sums.add((at * ROWS + from - start) * together * LANES);
                                finish(self.set, &output, sums, until - from, together);
                            }
                        }
                    }
                }
            }
        }
    }
}
