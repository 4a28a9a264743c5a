//! Lines of pixels joined to longer ones, so that tiles of 16 pixels are full.

use super::ROWS;

/// Adjacent pixels of the output.
#[derive(Clone, Copy)]
pub(in crate::kernels::bytes) struct Line {
    /// Where the window of the first one begins.
    pub(in crate::kernels::bytes) from: *const u8,
    /// Index of the first one in the output.
    pub(in crate::kernels::bytes) first: usize,
    pub(in crate::kernels::bytes) pixels: usize,
}

/// Positions whose windows are equally far apart. Some of them, between the lines, are not pixels of the output; their
/// windows are inside the same memory.
pub(in crate::kernels::bytes) struct Span {
    /// Where the window of the first position begins.
    pub(in crate::kernels::bytes) from: *const u8,
    pub(in crate::kernels::bytes) positions: usize,
    /// The position of each line's first pixel, and the line.
    pub(in crate::kernels::bytes) lines: Vec<(usize, Line)>,
}

impl Span {
    /// Joins lines of equal length, in the order of their addresses, of which `rows` belong to an image: those of a
    /// row, of an image, or all, whichever needs the fewest tiles. The spans are equally long.
    pub(in crate::kernels::bytes) fn of(lines: &[Line], step: usize, rows: usize) -> Vec<Self> {
        let tiles = |spans: &Vec<Self>| {
            spans.iter().map(|span| span.positions.div_ceil(ROWS)).sum::<usize>()
        };
        let all = [1, rows, lines.len()].into_iter().filter_map(|count| {
            let join = |lines: &[Line]| Self::joined(lines, step);
            lines.chunks(count.max(1)).map(join).collect::<Option<Vec<_>>>()
        });
        all.min_by_key(tiles).unwrap_or_default()
    }

    /// Lines as one span, if the distances of their windows are multiples of `step`.
    fn joined(lines: &[Line], step: usize) -> Option<Self> {
        let from = lines.first()?.from;
        let position = |line: &Line| {
            let away = line.from.addr() - from.addr();
            away.is_multiple_of(step).then_some((away / step, *line))
        };
        let lines = lines.iter().map(position).collect::<Option<Vec<_>>>()?;
        let positions = lines.last().map(|(position, line)| position + line.pixels)?;
        Some(Self { from, positions, lines })
    }
}
