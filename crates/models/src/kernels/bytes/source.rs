//! The part of a batch that a task works on, as the products read it.

use super::{
    aligned::AlignedBytes,
    images::{ByteImages, SLACK},
    set::ByteSet,
    words::by_set,
};
use crate::kernels::image::ConvShape;

/// Bytes of input that a task works on at a time: a part of a core's second-level cache.
pub(super) const NEAR: usize = 128 * 1024;

/// A range of output rows of a range of images.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByteWindow {
    pub(super) image: usize,
    pub(super) images: usize,
    pub(super) row: usize,
    pub(super) rows: usize,
}

/// Divides the output `[n][rows][..]` into at least `at_least` windows, if possible, whose padded inputs are not
/// larger than [`NEAR`]: whole images if they fit, otherwise bands of rows.
pub(super) fn windows(
    shape: &ConvShape,
    x: &ByteImages,
    rows: usize,
    at_least: usize,
) -> Vec<ByteWindow> {
    let line = (x.w + 2 * shape.padding[1]) * x.c;
    let needs = |rows: usize| ((rows.max(1) - 1) * shape.stride + shape.kernel[0]) * line;
    if needs(rows) <= NEAR && x.n >= at_least {
        let images = (NEAR / needs(rows).max(1)).clamp(1, x.n.div_ceil(at_least.max(1)).max(1));
        let first = (0..x.n).step_by(images);
        return first
            .map(|image| ByteWindow { image, images: images.min(x.n - image), row: 0, rows })
            .collect();
    }
    let mut bands = at_least.div_ceil(x.n.max(1)).clamp(1, rows.max(1));
    while bands < rows && needs(rows.div_ceil(bands)) > NEAR {
        bands += 1;
    }
    let each = rows.div_ceil(bands).max(1);
    let bands = |image| {
        let row = (0..rows).step_by(each);
        row.map(move |row| ByteWindow { image, images: 1, row, rows: each.min(rows - row) })
    };
    (0..x.n).flat_map(bands).collect()
}

/// The input of a window in memory. Distances are in bytes.
pub(super) struct ByteSource {
    pub(super) from: *const u8,
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) image: usize,
}

/// How the input of a window is laid out.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) set: ByteSet,
    /// Whether bytes become integers of 16 bits.
    pub(super) wide: bool,
    /// The byte of the padding.
    pub(super) zero: u8,
}

impl ByteWindow {
    /// The window's input: in place if it needs neither padding nor another form, otherwise copied into `buffer`.
    pub(super) fn source(
        &self,
        shape: &ConvShape,
        x: &ByteImages,
        form: Form,
        buffer: &mut AlignedBytes,
    ) -> ByteSource {
        let [top, left] = shape.padding;
        let first = self.row * shape.stride;
        if (top, left) == (0, 0) && !form.wide {
            let from = x.at((self.image * x.h + first) * x.w);
            return ByteSource { from, column: x.c, row: x.w * x.c, image: x.h * x.w * x.c };
        }
        let size = if form.wide { 2 } else { 1 };
        let rows = (self.rows - 1) * shape.stride + shape.kernel[0];
        let line = (x.w + 2 * left) * x.c * size;
        let len = self.images * rows * line + SLACK;
        buffer.at_least(len);
        let zero = if form.wide { [form.zero, 0] } else { [form.zero; 2] };
        let fill = |to: &mut [u8]| match zero {
            [a, b] if a == b => to.fill(a),
            _ => to.chunks_exact_mut(2).for_each(|pair| pair.copy_from_slice(&zero)),
        };
        let side = left * x.c * size;
        for image in 0..self.images {
            for row in 0..rows {
                let to = &mut buffer[(image * rows + row) * line..][..line];
                let Some(y) = (first + row).checked_sub(top).filter(|y| *y < x.h) else {
                    fill(to);
                    continue;
                };
                fill(&mut to[..side]);
                fill(&mut to[line - side..]);
                let from = ((self.image + image) * x.h + y) * x.w * x.c;
                let from = &x.values()[from..][..x.w * x.c];
                let to = &mut to[side..line - side];
                if form.wide {
                    // SAFETY: there are two bytes for each.
                    unsafe { widen(form.set, from.as_ptr(), to.as_mut_ptr(), from.len()) };
                } else {
                    to.copy_from_slice(from);
                }
            }
        }
        ByteSource { from: buffer.as_ptr(), column: x.c * size, row: line, image: rows * line }
    }
}

/// Some adjacent pixels of all images in the form that products read, and the bytes from one to the next.
pub(super) fn band(
    x: &ByteImages,
    first: usize,
    pixels: usize,
    form: Form,
    buffer: &mut AlignedBytes,
) -> (*const u8, usize) {
    if !form.wide {
        return (x.at(first), x.c);
    }
    let len = pixels * x.c;
    buffer.at_least(2 * len + SLACK);
    // SAFETY: the pixels are inside the images, and the buffer has two bytes for each.
    unsafe { widen(form.set, x.values()[first * x.c..][..len].as_ptr(), buffer.as_mut_ptr(), len) };
    (buffer.as_ptr(), 2 * x.c)
}

by_set! {
    /// Bytes as integers of 16 bits.
    ///
    /// # Safety
    ///
    /// There are `len` bytes at `from`, and twice as many at `to`.
    fn widen<V>(from: *const u8, to: *mut u8, len: usize) {
        let _: usize = V::GROUP;
        for index in 0..len {
            // SAFETY: the caller's contract; the buffer of bytes need not be aligned.
            unsafe {
                to.add(2 * index).cast::<u16>().write_unaligned(u16::from(*from.add(index)));
            }
        }
    }
}
