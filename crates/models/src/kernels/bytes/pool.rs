//! Pooling of bytes.

use candle_core::Result;

use super::{
    images::{ByteImages, SLACK},
    quantize::ByteScale,
    round::rounded,
    set::ByteSet,
    tasks::each,
    words::by_set,
};
use crate::kernels::image::{AveragePool, MaxPool};

/// The maximum of each window; padding is not part of a window. Scale and zero stay those of the input.
pub(crate) fn largest_of(
    set: ByteSet,
    pool: &MaxPool,
    x: &ByteImages,
    tasks: usize,
) -> Result<ByteImages> {
    let (rows, columns) = (pool.outputs(x.h)?, pool.outputs(x.w)?);
    // SAFETY: each task writes one row, and there is a task for each.
    unsafe {
        ByteImages::written([x.n, rows, columns, x.c], |to| {
            each(tasks, x.n * rows, |line| {
                let (image, row) = (line / rows, line % rows);
                let ys = pool.covered(row, x.h);
                let mut pixels = Vec::with_capacity(pool.kernel * pool.kernel);
                for column in 0..columns {
                    pixels.clear();
                    for y in ys.clone() {
                        let pixel = |at| x.at((image * x.h + y) * x.w + at);
                        pixels.extend(pool.covered(column, x.w).map(pixel));
                    }
                    largest(set, &pixels, to.at((line * columns + column) * x.c), x.c);
                }
            });
            Ok(())
        })
    }
}

by_set! {
    /// The maximum of each channel over some pixels; 0 without pixels.
    ///
    /// # Safety
    ///
    /// `to` has `len` bytes, and each pixel has [`SLACK`] more.
    fn largest<V>(pixels: &[*const u8], to: *mut u8, len: usize) {
        let _: usize = V::GROUP;
        // SAFETY: the caller's contract; a register of bytes can be read at any pixel.
        unsafe {
            for start in (0..len).step_by(SLACK) {
                let mut best = [0_u8; SLACK];
                for pixel in pixels {
                    let other = pixel.add(start).cast::<[u8; SLACK]>().read();
                    for lane in 0..SLACK {
                        best[lane] = best[lane].max(other[lane]);
                    }
                }
                let to = to.add(start);
                if len - start >= SLACK {
                    to.cast::<[u8; SLACK]>().write(best);
                } else {
                    to.copy_from_nonoverlapping(best.as_ptr(), len - start);
                }
            }
        }
    }
}

/// The mean of windows or of whole images, at the scale of the output.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteMean {
    set: ByteSet,
    pool: AveragePool,
    input: ByteScale,
    output: ByteScale,
}

impl ByteMean {
    /// The mean of windows of images of `input`'s scale; [`AveragePool::Adaptive`] with 1 is that of whole images.
    pub(crate) fn new(
        set: ByteSet,
        pool: AveragePool,
        input: ByteScale,
        output: ByteScale,
    ) -> Self {
        Self { set, pool, input, output }
    }

    /// The output.
    ///
    /// # Errors
    ///
    /// If the images are too small.
    pub(crate) fn forward(self, x: &ByteImages, tasks: usize) -> Result<ByteImages> {
        let (rows, columns) = (self.pool.outputs(x.h)?, self.pool.outputs(x.w)?);
        let factor = f64::from(self.input.scale) / f64::from(self.output.scale);
        // SAFETY: each task writes one row, and there is a task for each.
        unsafe {
            ByteImages::written([x.n, rows, columns, x.c], |to| {
                each(tasks, x.n * rows, |line| {
                    let (image, row) = (line / rows, line % rows);
                    let ys = self.pool.covered(row, x.h);
                    let mut sums = vec![0_i32; x.c];
                    for column in 0..columns {
                        let xs = self.pool.covered(column, x.w);
                        let pixels = ys.len() * xs.len();
                        sums.fill(0);
                        for y in ys.clone() {
                            for at in xs.clone() {
                                let pixel = x.at((image * x.h + y) * x.w + at);
                                add(self.set, sums.as_mut_ptr(), pixel, x.c);
                            }
                        }
                        let count = match self.pool {
                            AveragePool::Windows { kernel, .. } => kernel * kernel,
                            AveragePool::Adaptive(_) => pixels,
                        };
                        // Padding counts as the number 0, for which the input has its zero.
                        let scale = factor / count as f64;
                        let zeros = pixels as f64 * f64::from(self.input.zero);
                        let shift = f64::from(self.output.zero) - scale * zeros;
                        let to = to.at((line * columns + column) * x.c);
                        scaled(self.set, &sums, to, scale as f32, shift as f32);
                    }
                });
                Ok(())
            })
        }
    }
}

by_set! {
    /// `sums += pixel`.
    ///
    /// # Safety
    ///
    /// Both have `len` values.
    fn add<V>(sums: *mut i32, pixel: *const u8, len: usize) {
        let _: usize = V::GROUP;
        // SAFETY: the caller's contract.
        let (sums, pixel) = unsafe {
            (std::slice::from_raw_parts_mut(sums, len), std::slice::from_raw_parts(pixel, len))
        };
        for index in 0..len {
            sums[index] += i32::from(pixel[index]);
        }
    }
}

by_set! {
    /// `to = sums · scale + shift`, rounded.
    ///
    /// # Safety
    ///
    /// `to` has a byte for each sum.
    fn scaled<V>(sums: &[i32], to: *mut u8, scale: f32, shift: f32) {
        let _: usize = V::GROUP;
        for index in 0..sums.len() {
            let value = (sums[index] as f32 * scale + shift).clamp(0.0, 255.0);
            // SAFETY: the caller's contract; the number is within the bytes.
            unsafe { *to.add(index) = rounded(value) };
        }
    }
}
