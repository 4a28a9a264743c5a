//! The part of a batch that a task works on, padded with zeros.

use super::{ConvShape, NEAR, View};

/// A range of output rows of a range of images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// First image.
    pub(super) image: usize,
    pub(super) images: usize,
    /// First row of the output.
    pub(super) row: usize,
    pub(super) rows: usize,
}

/// Divides the output `[n][rows][columns]` into at least `at_least` windows, if possible, whose padded inputs
/// fit into a part of the cache: whole images if they fit, otherwise bands of rows.
pub(super) fn windows(shape: &ConvShape, x: View<'_>, rows: usize, at_least: usize) -> Vec<Window> {
    let line = (x.w + 2 * shape.padding[1]) * x.c;
    let needs = |rows: usize| ((rows.max(1) - 1) * shape.stride + shape.kernel[0]) * line;
    let mut windows = Vec::new();
    let images = (NEAR / needs(rows).max(1)).clamp(1, x.n.div_ceil(at_least).max(1));
    if needs(rows) <= NEAR && x.n >= at_least {
        for image in (0..x.n).step_by(images) {
            let images = images.min(x.n - image);
            windows.push(Window { image, images, row: 0, rows });
        }
        return windows;
    }
    let mut bands = at_least.div_ceil(x.n.max(1)).clamp(1, rows.max(1));
    while bands < rows && needs(rows.div_ceil(bands)) > NEAR {
        bands += 1;
    }
    let each = rows.div_ceil(bands).max(1);
    for image in 0..x.n {
        for row in (0..rows).step_by(each) {
            windows.push(Window { image, images: 1, row, rows: each.min(rows - row) });
        }
    }
    windows
}

/// The input of a window in memory.
pub(super) struct Source {
    pub(super) from: *const f32,
    /// Floats from one column to the next.
    pub(super) column: usize,
    /// Floats from one row to the next.
    pub(super) row: usize,
    /// Floats from one image to the next.
    pub(super) image: usize,
}

impl Window {
    /// The window's input: in place if it needs no padding, otherwise copied into `buffer` with padding.
    pub(super) fn source(&self, shape: &ConvShape, x: View<'_>, buffer: &mut Vec<f32>) -> Source {
        let [top, left] = shape.padding;
        let first = self.row * shape.stride;
        if (top, left) == (0, 0) && (shape.kernel == [1, 1] || x.pitch == x.c) {
            let start = (self.image * x.h + first) * x.w * x.pitch;
            return Source {
                from: x.values[start..].as_ptr(),
                column: x.pitch,
                row: x.w * x.pitch,
                image: x.h * x.w * x.pitch,
            };
        }
        let rows = (self.rows - 1) * shape.stride + shape.kernel[0];
        let line = (x.w + 2 * left) * x.c;
        buffer.clear();
        buffer.resize(self.images * rows * line, 0.0);
        for image in 0..self.images {
            for row in 0..rows {
                let Some(y) = (first + row).checked_sub(top).filter(|y| *y < x.h) else { continue };
                let to = &mut buffer[(image * rows + row) * line + left * x.c..][..x.w * x.c];
                let from = ((self.image + image) * x.h + y) * x.w;
                if x.pitch == x.c {
                    to.copy_from_slice(&x.values[from * x.c..][..to.len()]);
                } else {
                    for (column, to) in to.chunks_exact_mut(x.c).enumerate() {
                        to.copy_from_slice(x.pixel(from + column));
                    }
                }
            }
        }
        Source { from: buffer.as_ptr(), column: x.c, row: line, image: rows * line }
    }
}
