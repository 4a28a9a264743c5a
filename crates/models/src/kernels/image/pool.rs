//! Pooling: the maximum or the mean over windows, for each channel.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, bail};
use rayon::prelude::*;

use super::View;
use crate::kernels::lanes::dispatch;

/// The maximum of each window. Padding is not part of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MaxPool {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    /// Whether a last window that extends beyond the far edge is kept (PyTorch's `ceil_mode`).
    pub(crate) ceil: bool,
}

impl MaxPool {
    /// Number of outputs along an axis of `size` pixels. As in PyTorch, a window that starts in the far padding
    /// is left out.
    pub(crate) fn outputs(&self, size: usize) -> Result<usize> {
        let hanging = if self.ceil { self.stride - 1 } else { 0 };
        let Some(room) = (size + 2 * self.padding + hanging).checked_sub(self.kernel) else {
            bail!("a pool of {} pixels is larger than {size} pixels", self.kernel);
        };
        let last = room / self.stride;
        let within = last * self.stride < size + self.padding;
        Ok(if self.ceil && !within { last } else { last + 1 })
    }

    /// The input pixels that an output covers along an axis of `size` pixels.
    pub(crate) fn covered(&self, output: usize, size: usize) -> std::ops::Range<usize> {
        covered(output, self.stride, self.kernel, self.padding, size)
    }
}

/// The input pixels that an output covers along an axis.
fn covered(
    output: usize,
    stride: usize,
    kernel: usize,
    padding: usize,
    size: usize,
) -> std::ops::Range<usize> {
    let start = output * stride;
    start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(size)
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        "max-pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = View::new(storage, layout)?;
        let (rows, columns) = (self.outputs(x.h)?, self.outputs(x.w)?);
        let mut out = vec![0.0_f32; x.n * rows * columns * x.c];
        out.par_chunks_mut((columns * x.c).max(1)).enumerate().for_each(|(index, line)| {
            let (image, row) = (index / rows, index % rows);
            let ys = self.covered(row, x.h);
            let mut pixels = Vec::with_capacity(self.kernel * self.kernel);
            for (column, best) in line.chunks_exact_mut(x.c).enumerate() {
                let xs = self.covered(column, x.w);
                pixels.clear();
                for y in ys.clone() {
                    let pixel = |at| x.pixel((image * x.h + y) * x.w + at).as_ptr();
                    pixels.extend(xs.clone().map(pixel));
                }
                // SAFETY: each pixel and the output have `c` floats.
                unsafe { largest(&pixels, best.as_mut_ptr(), x.c) };
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((x.n, rows, columns, x.c))))
    }
}

/// The mean of each window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AveragePool {
    /// Square windows of `kernel` pixels, `stride` pixels apart. Zeros of the padding count
    /// (PyTorch's `count_include_pad`).
    Windows { kernel: usize, stride: usize, padding: usize },
    /// A fixed number n of outputs along each axis; output i covers `⌊i·h/n⌋ .. ⌈(i+1)·h/n⌉`, as in PyTorch.
    Adaptive(usize),
}

impl AveragePool {
    /// Number of outputs along an axis of `size` pixels.
    pub(crate) fn outputs(self, size: usize) -> Result<usize> {
        match self {
            Self::Adaptive(outputs) => Ok(outputs),
            Self::Windows { kernel, stride, padding } => {
                match (size + 2 * padding).checked_sub(kernel) {
                    Some(room) => Ok(room / stride + 1),
                    None => bail!("a pool of {kernel} pixels is larger than {size} pixels"),
                }
            }
        }
    }

    /// The input pixels that an output covers along an axis of `size` pixels.
    pub(crate) fn covered(self, output: usize, size: usize) -> std::ops::Range<usize> {
        match self {
            Self::Adaptive(n) => output * size / n..((output + 1) * size).div_ceil(n),
            Self::Windows { kernel, stride, padding } => {
                covered(output, stride, kernel, padding, size)
            }
        }
    }
}

impl CustomOp1 for AveragePool {
    fn name(&self) -> &'static str {
        "average-pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = View::new(storage, layout)?;
        let (rows, columns) = (self.outputs(x.h)?, self.outputs(x.w)?);
        let mut out = vec![0.0_f32; x.n * rows * columns * x.c];
        out.par_chunks_mut((columns * x.c).max(1)).enumerate().for_each(|(index, line)| {
            let (image, row) = (index / rows, index % rows);
            let ys = self.covered(row, x.h);
            for (column, sum) in line.chunks_exact_mut(x.c).enumerate() {
                let xs = self.covered(column, x.w);
                let mut pixels = 0;
                for y in ys.clone() {
                    for at in xs.clone() {
                        let pixel = x.pixel((image * x.h + y) * x.w + at);
                        // SAFETY: both have `c` floats.
                        unsafe { add(sum.as_mut_ptr(), pixel.as_ptr(), x.c) };
                        pixels += 1;
                    }
                }
                let count = match self {
                    Self::Windows { kernel, .. } => kernel * kernel,
                    Self::Adaptive(_) => pixels,
                };
                sum.iter_mut().for_each(|value| *value /= count as f32);
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((x.n, rows, columns, x.c))))
    }
}

/// The mean of each channel over an image, `[n][c]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GlobalAverage;

impl CustomOp1 for GlobalAverage {
    fn name(&self) -> &'static str {
        "global-average"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = View::new(storage, layout)?;
        let pixels = x.h * x.w;
        let mut out = vec![0.0_f32; x.n * x.c];
        out.par_chunks_mut(x.c.max(1)).enumerate().for_each(|(image, sum)| {
            for pixel in image * pixels..(image + 1) * pixels {
                // SAFETY: both have `c` floats.
                unsafe { add(sum.as_mut_ptr(), x.pixel(pixel).as_ptr(), x.c) };
            }
            sum.iter_mut().for_each(|value| *value /= pixels as f32);
        });
        Ok((CpuStorage::F32(out), Shape::from((x.n, x.c))))
    }
}

/// Channels of which a window's maximum is computed at a time.
const CHUNK: usize = 16;

dispatch! {
    /// The maximum of each channel over some pixels, and NaN if a pixel's is NaN. Without pixels, `to` is not
    /// written.
    ///
    /// # Safety
    ///
    /// Each pixel and `to` have `len` floats.
    fn largest<V>(pixels: &[*const f32], to: *mut f32, len: usize) {
        let Some((first, rest)) = pixels.split_first() else { return };
        // SAFETY: the caller's contract. The last chunk may overlap the one before, with the same result.
        unsafe {
            for start in (0..len).step_by(CHUNK) {
                let start = start.min(len.saturating_sub(CHUNK));
                if len < CHUNK {
                    for channel in 0..len {
                        let mut best = *first.add(channel);
                        for pixel in rest {
                            best = larger(best, *pixel.add(channel));
                        }
                        *to.add(channel) = best;
                    }
                    continue;
                }
                let mut best = first.add(start).cast::<[f32; CHUNK]>().read();
                for pixel in rest {
                    let other = pixel.add(start).cast::<[f32; CHUNK]>().read();
                    for lane in 0..CHUNK {
                        best[lane] = larger(best[lane], other[lane]);
                    }
                }
                to.add(start).cast::<[f32; CHUNK]>().write(best);
            }
        }
    }
}

/// The larger value, or NaN if one of them is NaN.
#[inline(always)]
fn larger(best: f32, value: f32) -> f32 {
    if value > best || value.is_nan() { value } else { best }
}

dispatch! {
    /// `to += from`.
    ///
    /// # Safety
    ///
    /// Both have `len` floats.
    fn add<V>(to: *mut f32, from: *const f32, len: usize) {
        // SAFETY: the caller's contract.
        let (to, from) = unsafe {
            (std::slice::from_raw_parts_mut(to, len), std::slice::from_raw_parts(from, len))
        };
        for (to, from) in to.iter_mut().zip(from) {
            *to += *from;
        }
    }
}
